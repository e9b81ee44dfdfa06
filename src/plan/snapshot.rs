//! The SQL of a snapshot: which versions close, which open.
//!
//! dbt's semantics (its documentation of snapshots), with the known traps closed: a duplicate or null key is refused,
//! a deletion record keeps the row's values and is written once, a key that comes back closes its deletion record.

use chrono::{DateTime, Utc};

use crate::base::ident::{quote, quote_literal};
use crate::engine::files::{FILE_COLUMN, LINE_COLUMN};
use crate::manifest::config::{HardDeletes, SnapshotColumns, SnapshotStrategy};
use crate::plan::algebra::{
    BATCH, CLOSINGS, FILE_INDEX, TARGET, column_list, key_alias, key_list, keys_equal, scratch,
};

/// What a snapshot does with its source.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotPlan {
    /// Key columns or expressions; never empty.
    pub keys: Vec<String>,
    /// How changes are detected.
    pub strategy: SnapshotStrategy,
    /// What happens to versions whose key is gone.
    pub hard_deletes: HardDeletes,
    /// Names of the added columns.
    pub names: SnapshotColumns,
    /// SQL of `valid_to` in current rows, instead of null.
    pub valid_to_current: Option<String>,
    /// Largest share of the open versions that may close because their keys are gone.
    pub max_delete_fraction: Option<f64>,
    /// Whether the source is empty on purpose (`--empty`), so that no key counts as gone.
    pub keeps_gone: bool,
    /// The run's time.
    pub now: DateTime<Utc>,
}

impl SnapshotPlan {
    /// The run's time as SQL, in microseconds and UTC.
    fn now_sql(&self) -> String {
        let text = self.now.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        format!("arrow_cast({}, 'Timestamp(Microsecond, Some(\"UTC\"))')", quote_literal(&text))
    }

    /// The time of a source row's version.
    fn version_time(&self) -> String {
        match &self.strategy {
            SnapshotStrategy::Timestamp { updated_at }
            | SnapshotStrategy::Check { updated_at: Some(updated_at), .. } => format!("({updated_at})"),
            SnapshotStrategy::Check { updated_at: None, .. } => self.now_sql(),
        }
    }

    /// The columns that a snapshot adds, in the order they are stored.
    pub fn added_columns(&self) -> Vec<String> {
        let mut columns = vec![
            self.names.scd_id.clone(),
            self.names.updated_at.clone(),
            self.names.valid_from.clone(),
            self.names.valid_to.clone(),
        ];
        if self.hard_deletes == HardDeletes::NewRecord {
            columns.push(self.names.is_deleted.clone());
        }
        columns
    }

    /// The columns of `check_cols` that the source does not have.
    pub fn unknown_columns(&self, columns: &[String]) -> Vec<&str> {
        let SnapshotStrategy::Check { columns: Some(checked), .. } = &self.strategy else { return Vec::new() };
        let is_unknown = |name: &&str| !columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        checked.iter().map(String::as_str).filter(is_unknown).collect()
    }

    fn source(&self, columns: &[String]) -> String {
        format!(
            "(select *, {}, {} as \"__karat_version\", true as \"__karat_present\" from {})",
            key_list(&self.keys, columns),
            self.version_time(),
            scratch(BATCH)
        )
    }

    fn is_open(&self) -> String {
        let valid_to = quote(&self.names.valid_to);
        match &self.valid_to_current {
            Some(current) => format!("({valid_to} is null or {valid_to} = cast_to_type(({current}), {valid_to}))"),
            None => format!("{valid_to} is null"),
        }
    }

    fn open(&self, columns: &[String]) -> String {
        format!(
            "(select *, {}, true as \"__karat_present\" from {} where {})",
            key_list(&self.keys, columns),
            scratch(TARGET),
            self.is_open()
        )
    }

    fn scd_id(&self, alias: &str, time: &str) -> String {
        let mut parts: Vec<String> = (0..self.keys.len())
            .map(|index| format!("coalesce(cast({alias}.{} as varchar), '')", key_alias(index)))
            .collect();
        parts.push(format!("coalesce(cast({time} as varchar), '')"));
        format!("md5(concat({}))", parts.join(", '|', "))
    }

    fn current_end(&self, time: &str) -> String {
        match &self.valid_to_current {
            // In the type of the times: a date far away would not fit the type that both are widened to.
            Some(current) => format!("cast_to_type(({current}), {time})"),
            None => format!("nullif({time}, {time})"),
        }
    }

    /// Values of the added columns for a version that opens.
    fn opening(&self, alias: &str, time: &str, deleted: bool) -> String {
        let mut values = vec![
            format!("{} as {}", self.scd_id(alias, time), quote(&self.names.scd_id)),
            format!("{time} as {}", quote(&self.names.updated_at)),
            format!("{time} as {}", quote(&self.names.valid_from)),
            format!("{} as {}", self.current_end(time), quote(&self.names.valid_to)),
        ];
        if self.hard_deletes == HardDeletes::NewRecord {
            // dbt stores a text here, not a boolean.
            let text = if deleted { "True" } else { "False" };
            values.push(format!("'{text}' as {}", quote(&self.names.is_deleted)));
        }
        values.join(", ")
    }

    /// Rows of the source that cannot be versions: a null in the key or in the time. The keys, at most `limit` rows.
    pub fn incomplete(&self, columns: &[String], limit: usize) -> String {
        let aliases: Vec<String> = (0..self.keys.len()).map(key_alias).collect();
        let nulls = aliases.iter().map(|alias| format!("{alias} is null")).collect::<Vec<_>>().join(" or ");
        format!(
            "select {}, \"__karat_version\" from {} as s where {nulls} or \"__karat_version\" is null limit {limit}",
            aliases.join(", "),
            self.source(columns)
        )
    }

    /// The first content: one open version per row of the source.
    pub fn first(&self, columns: &[String]) -> String {
        format!(
            "select {}, {} from {} as s",
            column_list("s", columns),
            self.opening("s", "s.\"__karat_version\"", false),
            self.source(columns)
        )
    }

    fn changed(&self, columns: &[String], stored: &[String]) -> String {
        match &self.strategy {
            SnapshotStrategy::Timestamp { .. } => {
                format!("s.\"__karat_version\" > o.{}", quote(&self.names.updated_at))
            }
            SnapshotStrategy::Check { columns: checked, .. } => {
                let compared: Vec<String> = columns
                    .iter()
                    .filter(|column| match checked {
                        Some(names) => names.iter().any(|name| name.eq_ignore_ascii_case(column)),
                        // A row that stands in another file or line than before has not changed.
                        None => column.as_str() != FILE_COLUMN && column.as_str() != LINE_COLUMN,
                    })
                    .map(|column| {
                        let name = quote(column);
                        if stored.contains(column) {
                            // The parser would take a following `or` for a part of the right side.
                            format!("(s.{name} is distinct from o.{name})")
                        } else {
                            // A column that the history does not have yet was null until now.
                            format!("s.{name} is not null")
                        }
                    })
                    .collect();
                if compared.is_empty() { "false".to_owned() } else { format!("({})", compared.join(" or ")) }
            }
        }
    }

    fn is_deletion_record(&self) -> String {
        if self.hard_deletes == HardDeletes::NewRecord {
            format!("coalesce(o.{} = 'True', false)", quote(&self.names.is_deleted))
        } else {
            "false".to_owned()
        }
    }

    /// The open versions that close: their keys, their file, their end, and whether the key is gone from the source.
    ///
    /// `columns` are those of the source, `stored` those of the history.
    pub fn closings(&self, columns: &[String], stored: &[String]) -> String {
        let keys: Vec<String> = (0..self.keys.len()).map(|index| format!("o.{}", key_alias(index))).collect();
        let deleted = self.is_deletion_record();
        let mut when = format!("(s.\"__karat_present\" and ({} or {deleted}))", self.changed(columns, stored));
        if self.hard_deletes != HardDeletes::Ignore && !self.keeps_gone {
            when.push_str(&format!(" or (s.\"__karat_present\" is null and not {deleted})"));
        }
        format!(
            "select {}, o.{} as {1}, case when s.\"__karat_present\" then s.\"__karat_version\" else {} end as \
             \"__karat_end\", s.\"__karat_present\" is null as \"__karat_gone\", true as \"__karat_hit\" \
             from {} as o left join {} as s on {} where {when}",
            keys.join(", "),
            quote(FILE_INDEX),
            self.now_sql(),
            self.open(stored),
            self.source(columns),
            keys_equal("o", "s", self.keys.len()),
        )
    }

    /// How many open versions there are, and how many of them close because their key is gone.
    pub fn guard_counts(&self) -> String {
        format!(
            "select (select count(*) from {} where {}) as \"open\", (select count(*) from {} where \"__karat_gone\") as \
             \"gone\", (select count(*) from {}) as \"source\"",
            scratch(TARGET),
            self.is_open(),
            scratch(CLOSINGS),
            scratch(BATCH)
        )
    }

    /// The rows of the touched files, with the ends of those that close.
    pub fn rewritten(&self, stored: &[String]) -> String {
        let end = quote(&self.names.valid_to);
        let columns = stored
            .iter()
            .map(|column| {
                let name = quote(column);
                if name == end {
                    format!("case when c.\"__karat_hit\" then c.\"__karat_end\" else t.{name} end as {name}")
                } else {
                    format!("t.{name}")
                }
            })
            .collect::<Vec<_>>()
            .join(", ");
        format!(
            "select {columns} from (select *, {}, {} as \"__karat_open\" from {}) as t left join {} as c on t.\"__karat_open\" \
             and {}",
            key_list(&self.keys, stored),
            self.is_open(),
            scratch(TARGET),
            scratch(CLOSINGS),
            keys_equal("t", "c", self.keys.len()),
        )
    }

    /// The versions that open: new keys, changed rows, keys that came back, and deletion records.
    pub fn openings(&self, columns: &[String], stored: &[String]) -> String {
        let version = "s.\"__karat_version\"";
        let own = self.added_columns();
        // Columns that the source has lost: as under dbt, new versions and deletion records have no value there.
        let lost: Vec<&String> =
            stored.iter().filter(|column| !columns.contains(column) && !own.contains(column)).collect();
        let nulls = lost.iter().map(|column| format!(", null as {}", quote(column))).collect::<Vec<_>>().concat();
        let mut sql = format!(
            "select {}{nulls}, {} from {} as s left join {} as o on {} where o.\"__karat_present\" is null or {} or {}",
            column_list("s", columns),
            self.opening("s", version, false),
            self.source(columns),
            self.open(stored),
            keys_equal("o", "s", self.keys.len()),
            self.changed(columns, stored),
            self.is_deletion_record(),
        );
        if self.hard_deletes == HardDeletes::NewRecord && !self.keeps_gone {
            let value = |column: &String| {
                let name = quote(column);
                if stored.contains(column) { format!("o.{name}") } else { format!("null as {name}") }
            };
            let kept: Vec<String> = columns.iter().map(value).collect();
            let end = format!("({})", self.now_sql());
            sql.push_str(&format!(
                " union all select {}{nulls}, {} from {} as o left anti join {} as s on {} where not {}",
                kept.join(", "),
                self.opening("o", &end, true),
                self.open(stored),
                self.source(columns),
                keys_equal("o", "s", self.keys.len()),
                self.is_deletion_record(),
            ));
        }
        sql
    }
}
