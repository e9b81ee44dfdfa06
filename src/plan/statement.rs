//! The SQL of statements that change rows, as queries over scratch relations.
//!
//! A condition is asked twice: which files hold a row for which it holds, and for which rows of these files it does. The
//! second answer, with the new values, is stored under [`MATCHES`]; what stays and what is put in the place of the
//! matched rows follows from it by the number of the row. So a row is never both kept and changed, whatever the
//! condition asks (a random number, say), and names in it mean what they mean in one plain query. New values are never
//! put beside old ones in one expression, so that no old value is converted on the way.

use crate::base::ident::quote;
use crate::engine::statement::{Clause, Delete, Effect, Merge, Side, Update};
use crate::plan::algebra::{BATCH, FILE_INDEX, TARGET, column_list, scratch};

/// Scratch relation: the rows that match, by number, with their new values.
pub const MATCHES: &str = "matches";
/// The number of a row in [`TARGET`] and in [`BATCH`].
const ROW: &str = "__karat_row";
/// The place of the clause of a merge that holds.
const ACTION: &str = "__karat_action";
/// The number of the row of the source that matches.
const SOURCE_ROW: &str = "__karat_source_row";

/// How rows of a table are changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// Gives the indices of the files that hold a row to change; `None`: all of them.
    pub touched: Option<String>,
    /// Gives the rows that match; `None`: all rows, and nothing comes in their place.
    pub matches: Option<String>,
    /// Whether a row that matches twice is a mistake.
    pub once: bool,
    /// The rows that come in the place of those that match, over [`MATCHES`].
    pub changed: Vec<String>,
}

fn target(alias: &str) -> String {
    format!("{} as {alias}", scratch(TARGET))
}

/// All rows of a scratch relation, numbered.
pub fn numbered(relation: &str) -> String {
    format!("select *, row_number() over () as {} from {}", quote(ROW), scratch(relation))
}

/// The rows of the touched files that stay as they are.
pub fn survivors(columns: &[String]) -> String {
    format!(
        "select {} from {} as kept left anti join {} as matched on kept.{row} = matched.{row}",
        column_list("kept", columns),
        scratch(TARGET),
        scratch(MATCHES),
        row = quote(ROW),
    )
}

/// How often rows match, and how many rows do.
pub fn counts() -> String {
    format!("select count(*) as n, count(distinct {}) as d from {}", quote(ROW), scratch(MATCHES))
}

fn clauses(alias: &str, others: Option<&str>, condition: Option<&str>) -> String {
    let others = others.map_or_else(String::new, |others| format!(" cross join {others}"));
    let condition = condition.map_or_else(String::new, |condition| format!(" where {condition}"));
    format!("from {}{others}{condition}", target(alias))
}

fn value(index: usize) -> String {
    quote(&format!("__karat_value_{index}"))
}

/// `delete`: what does not match stays.
pub fn delete(delete: &Delete) -> Rewrite {
    let (alias, others, condition) = (&delete.alias, delete.using.as_deref(), delete.condition.as_deref());
    if others.is_none() && condition.is_none() {
        return truncate();
    }
    let rest = clauses(alias, others, condition);
    Rewrite {
        touched: Some(format!("select distinct {alias}.{} {rest}", quote(FILE_INDEX))),
        matches: Some(format!("select distinct {alias}.{} {rest}", quote(ROW))),
        once: false,
        changed: Vec::new(),
    }
}

/// `truncate`: nothing stays.
pub fn truncate() -> Rewrite {
    Rewrite { touched: None, matches: None, once: false, changed: Vec::new() }
}

/// `update`: what does not match stays, what matches gets new values.
pub fn update(update: &Update, columns: &[String]) -> Rewrite {
    let (alias, others, condition) = (&update.alias, update.from.as_deref(), update.condition.as_deref());
    let rest = clauses(alias, others, condition);
    let values = update.set.iter().enumerate().map(|(index, (_, new))| format!(", ({new}) as {}", value(index)));
    let place = |column: &String| {
        let index = update.set.iter().position(|(target, _)| target.eq_ignore_ascii_case(column));
        match index {
            Some(index) => format!("matched.{} as {}", value(index), quote(column)),
            None => format!("old.{}", quote(column)),
        }
    };
    let changed = format!(
        "select {} from {} as old inner join {} as matched on old.{row} = matched.{row}",
        columns.iter().map(place).collect::<Vec<_>>().join(", "),
        scratch(TARGET),
        scratch(MATCHES),
        row = quote(ROW),
    );
    let touched = others.is_some() || condition.is_some();
    Rewrite {
        touched: touched.then(|| format!("select distinct {alias}.{} {rest}", quote(FILE_INDEX))),
        matches: Some(format!("select {alias}.{}{} {rest}", quote(ROW), values.collect::<String>())),
        once: true,
        changed: vec![changed],
    }
}

fn source(merge: &Merge) -> String {
    format!("{} as {}", scratch(BATCH), merge.source_alias)
}

/// The clauses of some sides, each with its place and the condition under which it holds.
fn holding(merge: &Merge, sides: &[Side]) -> Vec<(usize, Clause, String)> {
    let present = format!("{}.{}", merge.source_alias, quote(ROW));
    let clauses = merge.clauses.iter().filter(|clause| sides.contains(&clause.side)).enumerate();
    clauses
        .map(|(index, clause)| {
            let own = clause.condition.as_ref().map_or_else(|| "true".to_owned(), |condition| format!("({condition})"));
            let holds = match clause.side {
                Side::Matched => format!("{present} is not null and {own}"),
                Side::NotMatchedBySource => format!("{present} is null and {own}"),
                Side::NotMatched => own,
            };
            (index, clause.clone(), holds)
        })
        .collect()
}

/// The part of `merge` that changes rows of the table; `None` if it only adds rows.
pub fn merge(merge: &Merge, columns: &[String]) -> Option<Rewrite> {
    let clauses = holding(merge, &[Side::Matched, Side::NotMatchedBySource]);
    if clauses.is_empty() {
        return None;
    }
    let (alias, row) = (&merge.alias, quote(ROW));
    let joined = format!("{} left join {} on {}", target(alias), source(merge), merge.on);
    let by_source = clauses.iter().any(|(_, clause, _)| clause.side == Side::NotMatchedBySource);
    let touched = (!by_source).then(|| {
        let index = quote(FILE_INDEX);
        format!(
            "select distinct {alias}.{index} from {} left semi join {} on {}",
            target(alias),
            source(merge),
            merge.on
        )
    });
    let cases = clauses.iter().map(|(index, _, holds)| format!("when {holds} then {index}"));
    let matches = format!(
        "select * from (select {alias}.{row} as {row}, {}.{row} as {}, case {} end as {action} from {joined}) as acted \
         where {action} is not null",
        merge.source_alias,
        quote(SOURCE_ROW),
        cases.collect::<Vec<_>>().join(" "),
        action = quote(ACTION),
    );
    let changed = clauses.iter().filter_map(|(index, clause, _)| {
        let Effect::Update(set) = &clause.effect else { return None };
        let place = |column: &String| match set.iter().find(|(target, _)| target.eq_ignore_ascii_case(column)) {
            Some((_, new)) => format!("({new}) as {}", quote(column)),
            None => format!("{alias}.{}", quote(column)),
        };
        Some(format!(
            "select {} from {} inner join {} as __karat_matched on {alias}.{row} = __karat_matched.{row} and \
             __karat_matched.{} = {index} \
             left join {} on {}.{row} = __karat_matched.{}",
            columns.iter().map(place).collect::<Vec<_>>().join(", "),
            target(alias),
            scratch(MATCHES),
            quote(ACTION),
            source(merge),
            merge.source_alias,
            quote(SOURCE_ROW),
        ))
    });
    let changed: Vec<String> = changed.collect();
    // As under Delta: when all that match are deleted, it does not matter how often.
    let once = !changed.is_empty();
    Some(Rewrite { touched, matches: Some(matches), once, changed })
}

/// Queries for the rows that `merge` adds, with the columns by name.
pub fn merge_inserts(merge: &Merge, columns: &[String]) -> Vec<String> {
    let clauses = holding(merge, &[Side::NotMatched]);
    let rest = format!("{} left anti join {} on {}", source(merge), target(&merge.alias), merge.on);
    let row = |clause: &Clause| {
        let Effect::Insert { columns: named, values } = &clause.effect else { return None };
        let named = if named.is_empty() { columns } else { named.as_slice() };
        let values = match values {
            None => named.iter().map(|column| format!("{}.{}", merge.source_alias, quote(column))).collect(),
            Some(values) => values.clone(),
        };
        let pairs = named.iter().zip(&values).map(|(column, value)| format!("({value}) as {}", quote(column)));
        Some(pairs.collect::<Vec<_>>().join(", "))
    };
    let query = |(at, clause, holds): &(usize, Clause, String)| {
        let earlier = clauses.iter().take(*at).map(|(_, _, other)| format!(" and ({other}) is not true"));
        Some(format!("select {} from {rest} where {holds}{}", row(clause)?, earlier.collect::<String>()))
    };
    clauses.iter().filter_map(query).collect()
}
