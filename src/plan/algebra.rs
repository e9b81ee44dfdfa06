//! The SQL of changes: how a batch is combined with a table, as queries over scratch relations.
//!
//! Nothing here runs anything. `execute` puts the batch and the table's files under the names below and runs the
//! queries; so what a merge means can be read, and tested, as SQL.

use crate::base::ident::quote;

/// Schema of the scratch relations of one step.
pub const SCRATCH_SCHEMA: &str = "__karat";
/// The model's result.
pub const BATCH: &str = "batch";
/// The table (or those of its files that the step touches), with the index of each row's file.
pub const TARGET: &str = "target";
/// The open versions that a snapshot closes.
pub const CLOSINGS: &str = "closings";
/// Column with the index of the row's file in [`TARGET`].
pub const FILE_INDEX: &str = crate::engine::table::FILE_INDEX;

const PRESENT: &str = "__karat_present";
const DELETED: &str = "__karat_deleted";
const ELIGIBLE: &str = "__karat_eligible";

/// A scratch relation as SQL.
pub fn scratch(name: &str) -> String {
    format!("{}.{}", quote(SCRATCH_SCHEMA), quote(name))
}

/// The alias of key number `index`.
pub fn key_alias(index: usize) -> String {
    quote(&format!("__karat_key_{index}"))
}

/// The SQL of a key: a column of the relation, quoted, or else an expression as written.
pub fn key_sql(key: &str, columns: &[String]) -> String {
    let wanted = key.trim().trim_matches('"');
    columns
        .iter()
        .find(|column| column.as_str() == wanted)
        .or_else(|| columns.iter().find(|column| column.eq_ignore_ascii_case(wanted)))
        .map_or_else(|| format!("({key})"), |column| quote(column))
}

/// `expr as "__karat_key_0", ...` for all keys.
pub fn key_list(keys: &[String], columns: &[String]) -> String {
    keys.iter()
        .enumerate()
        .map(|(index, key)| format!("{} as {}", key_sql(key, columns), key_alias(index)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `left.key = right.key and ...` for all keys.
pub fn keys_equal(left: &str, right: &str, keys: usize) -> String {
    (0..keys).map(|index| format!("{left}.{0} = {right}.{0}", key_alias(index))).collect::<Vec<_>>().join(" and ")
}

/// `relation."a", relation."b"` for all columns.
pub fn column_list(relation: &str, columns: &[String]) -> String {
    columns.iter().map(|column| format!("{relation}.{}", quote(column))).collect::<Vec<_>>().join(", ")
}

/// A query for rows of a scratch relation that share their key: the keys as `key_1`, ... and the number of `rows`.
/// A null key matches nothing, so it cannot be a duplicate.
pub fn duplicates(relation: &str, keys: &[String], columns: &[String], limit: usize) -> String {
    let aliases: Vec<String> = (0..keys.len()).map(key_alias).collect();
    format!("{} order by {} limit {limit}", repeated(relation, keys, columns), aliases.join(", "))
}

/// All of them, in no order.
pub fn repeated(relation: &str, keys: &[String], columns: &[String]) -> String {
    let aliases: Vec<String> = (0..keys.len()).map(key_alias).collect();
    let not_null = aliases.iter().map(|alias| format!("{alias} is not null")).collect::<Vec<_>>().join(" and ");
    let grouped = aliases.join(", ");
    format!(
        "select {grouped}, count(*) as \"rows\" from (select {} from {}) as keyed where {not_null} group by {grouped} \
         having count(*) > 1",
        key_list(keys, columns),
        scratch(relation),
    )
}

/// How a batch changes the rows of the table that share its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combination {
    /// Key columns or expressions; never empty.
    pub keys: Vec<String>,
    /// Further conditions of a match, on `DBT_INTERNAL_DEST` and `DBT_INTERNAL_SOURCE`.
    pub predicates: Vec<String>,
    /// Columns that a match updates; `None` means all.
    pub update_columns: Option<Vec<String>>,
    /// Batch rows for which this is true remove their key and are not inserted.
    pub delete_when: Option<String>,
    /// Whether two batch rows with one key are refused.
    pub unique: bool,
}

/// Whether a predicate is about rows of the batch as well.
fn reads_source(predicate: &str) -> bool {
    predicate.to_ascii_lowercase().contains("dbt_internal_source")
}

impl Combination {
    fn matching(&self) -> String {
        let mut condition = keys_equal("DBT_INTERNAL_DEST", "DBT_INTERNAL_SOURCE", self.keys.len());
        for predicate in self.predicates.iter().filter(|predicate| reads_source(predicate)) {
            condition.push_str(&format!(" and ({predicate})"));
        }
        if self.predicates.iter().any(|predicate| !reads_source(predicate)) {
            condition.push_str(&format!(" and DBT_INTERNAL_DEST.{}", quote(ELIGIBLE)));
        }
        condition
    }

    /// Whether a row of the table may be matched at all: the predicates on the table alone, as one more column. There a
    /// column's bare name is that of the table, which it would not be beside the batch.
    fn eligible(&self) -> String {
        let own: Vec<String> = self
            .predicates
            .iter()
            .filter(|predicate| !reads_source(predicate))
            .map(|predicate| format!("({predicate})"))
            .collect();
        if own.is_empty() { String::new() } else { format!(", {} as {}", own.join(" and "), quote(ELIGIBLE)) }
    }

    fn destination(&self, columns: &[String]) -> String {
        format!(
            "(select *, {}, true as {}{} from {} as DBT_INTERNAL_DEST) as DBT_INTERNAL_DEST",
            key_list(&self.keys, columns),
            quote(PRESENT),
            self.eligible(),
            scratch(TARGET)
        )
    }

    fn source(&self, columns: &[String]) -> String {
        let deleted =
            self.delete_when.as_ref().map_or_else(|| "false".to_owned(), |when| format!("coalesce(({when}), false)"));
        format!(
            "(select *, {}, true as {}, {deleted} as {} from {}) as DBT_INTERNAL_SOURCE",
            key_list(&self.keys, columns),
            quote(PRESENT),
            quote(DELETED),
            scratch(BATCH)
        )
    }

    /// The files of the table that hold a row which the batch matches.
    pub fn touched_files(&self, columns: &[String]) -> String {
        format!(
            "select distinct DBT_INTERNAL_DEST.{} from {} left semi join {} on {}",
            quote(FILE_INDEX),
            self.destination(columns),
            self.source(columns),
            self.matching()
        )
    }

    /// The rows of the touched files that stay as they are.
    pub fn survivors(&self, columns: &[String]) -> String {
        format!(
            "select {} from {} left anti join {} on {}",
            column_list("DBT_INTERNAL_DEST", columns),
            self.destination(columns),
            self.source(columns),
            self.matching()
        )
    }

    /// The rows of the touched files that the batch removes for good; `None` if it cannot remove any.
    pub fn deletions(&self, columns: &[String]) -> Option<String> {
        self.delete_when.as_ref()?;
        Some(format!(
            "select 1 as gone from {} left semi join {} on {} and DBT_INTERNAL_SOURCE.{}",
            self.destination(columns),
            self.source(columns),
            self.matching(),
            quote(DELETED)
        ))
    }

    /// Whether the rows to insert are the batch as it is.
    pub fn inserts_whole_batch(&self) -> bool {
        self.delete_when.is_none() && self.update_columns.is_none()
    }

    /// The batch's rows to insert, when a match replaces the whole row.
    pub fn inserts(&self, columns: &[String]) -> String {
        format!(
            "select {} from {} where not DBT_INTERNAL_SOURCE.{}",
            column_list("DBT_INTERNAL_SOURCE", columns),
            self.source(columns),
            quote(DELETED)
        )
    }

    /// Touched rows and batch combined, when a match updates only some columns: survivors, updated and new rows.
    pub fn combined(&self, columns: &[String], update_columns: &[String]) -> String {
        let present = quote(PRESENT);
        let chosen = columns
            .iter()
            .map(|column| {
                let name = quote(column);
                let (first, second) = if update_columns.iter().any(|update| update.eq_ignore_ascii_case(column)) {
                    ("DBT_INTERNAL_SOURCE", "DBT_INTERNAL_DEST")
                } else {
                    ("DBT_INTERNAL_DEST", "DBT_INTERNAL_SOURCE")
                };
                format!("case when {first}.{present} then {first}.{name} else {second}.{name} end as {name}")
            })
            .collect::<Vec<_>>()
            .join(", ");
        format!(
            "select {chosen} from {} full join {} on {} where not coalesce(DBT_INTERNAL_SOURCE.{}, false)",
            self.destination(columns),
            self.source(columns),
            self.matching(),
            quote(DELETED)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<String> {
        vec!["id".to_owned(), "Name".to_owned()]
    }

    #[test]
    fn keys_are_columns_or_expressions() {
        assert_eq!(key_sql("ID", &columns()), "\"id\"");
        assert_eq!(key_sql("\"Name\"", &columns()), "\"Name\"");
        assert_eq!(key_sql("id || 'x'", &columns()), "(id || 'x')");
    }

    #[test]
    fn a_merge_keeps_what_the_batch_does_not_match() {
        let merge = Combination {
            keys: vec!["id".into()],
            predicates: vec!["DBT_INTERNAL_DEST.day > 3".into()],
            update_columns: None,
            delete_when: None,
            unique: true,
        };
        assert!(merge.inserts_whole_batch());
        assert_eq!(
            merge.survivors(&columns()),
            "select DBT_INTERNAL_DEST.\"id\", DBT_INTERNAL_DEST.\"Name\" from (select *, \"id\" as \"__karat_key_0\", true as \
             \"__karat_present\", (DBT_INTERNAL_DEST.day > 3) as \"__karat_eligible\" from \"__karat\".\"target\" as \
             DBT_INTERNAL_DEST) as DBT_INTERNAL_DEST left anti join (select *, \"id\" as \
             \"__karat_key_0\", true as \"__karat_present\", false as \"__karat_deleted\" from \"__karat\".\"batch\") as \
             DBT_INTERNAL_SOURCE on DBT_INTERNAL_DEST.\"__karat_key_0\" = DBT_INTERNAL_SOURCE.\"__karat_key_0\" and \
             DBT_INTERNAL_DEST.\"__karat_eligible\""
        );
    }
}
