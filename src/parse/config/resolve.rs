//! From merged values to [`NodeConfig`]: types are checked, and every complaint points at where the value was written.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity, did_you_mean};
use crate::base::ident::unquoted;
use crate::base::source::Location;
use crate::files::properties::not_one_of;
use crate::manifest::config::{
    HardDeletes, Hook, IncrementalStrategy, Materialization, NodeConfig, OnSchemaChange, SnapshotColumns,
    SnapshotStrategy, TestSeverity, VersionPointer,
};
use crate::manifest::group::Access;
use crate::manifest::node::ResourceType;
use crate::parse::config::{Placed, RawConfig, keys, object};

mod microbatch;

/// Reads the merged configuration of a node. `custom` are the names of the project's own materializations; `place` is
/// where to point if a value's own place is not known.
pub fn resolve(
    raw: &RawConfig,
    kind: ResourceType,
    custom: &BTreeSet<String>,
    owner: &str,
    place: Option<&Location>,
    diagnostics: &mut Diagnostics,
) -> NodeConfig {
    let mut reader = Reader { raw, custom, owner, place, diagnostics };
    reader.report_misspelled();
    let defaults = NodeConfig::default();
    let mut config = NodeConfig {
        enabled: reader.boolean("enabled").unwrap_or(true),
        schema: reader.text("schema"),
        database: reader.text("database"),
        alias: reader.text("alias"),
        tags: reader.texts("tags").unwrap_or_default(),
        meta: reader.mapping("meta"),
        full_refresh: reader.boolean("full_refresh"),
        pre_hook: reader.hooks("pre-hook"),
        post_hook: reader.hooks("post-hook"),
        contract_enforced: reader.contract(),
        group: reader.text("group"),
        persist_relation_docs: reader.persist_docs("relation"),
        persist_column_docs: reader.persist_docs("columns"),
        timestamps_utc: reader.boolean("timestamps_utc").unwrap_or(false),
        event_time: reader.text("event_time"),
        ..defaults
    };
    match kind {
        ResourceType::Model => reader.model(&mut config),
        ResourceType::Snapshot => reader.snapshot(&mut config),
        ResourceType::Seed => reader.seed(&mut config),
        ResourceType::Test => reader.test(&mut config),
        ResourceType::Function => reader.function(),
        ResourceType::Source
        | ResourceType::UnitTest
        | ResourceType::Exposure
        | ResourceType::SemanticModel
        | ResourceType::Metric
        | ResourceType::SavedQuery
        | ResourceType::Analysis
        | ResourceType::Operation => {}
    }
    config.raw = raw.to_json();
    config
}

struct Reader<'a> {
    raw: &'a RawConfig,
    custom: &'a BTreeSet<String>,
    owner: &'a str,
    place: Option<&'a Location>,
    diagnostics: &'a mut Diagnostics,
}

impl Reader<'_> {
    /// Any key is allowed, as under dbt; one that is nearly a known one is probably meant to be it.
    fn report_misspelled(&mut self) {
        for (key, placed) in &self.raw.values {
            if keys::is_known(key) {
                continue;
            }
            if let Some(near) = did_you_mean(key, keys::known()) {
                let message = format!("`{key}` of {} is not a configuration that karat knows", self.owner);
                let place = placed.location.as_ref().or(self.place).cloned();
                let diagnostic = Diagnostic::warning("unknown-config", message).at_maybe(place, "");
                self.diagnostics.push(diagnostic.with_hint(format!("did you mean `{near}`?")));
            }
        }
    }

    /// `persist_docs: {relation: true, columns: true}`.
    fn persist_docs(&mut self, part: &str) -> bool {
        let Some(placed) = self.raw.get("persist_docs") else { return false };
        match object(&placed.value).map(|entries| entries.get(part)) {
            Some(Some(Json::Bool(flag))) => *flag,
            Some(None | Some(Json::Null)) => false,
            _ => {
                self.wrong("persist_docs", "a mapping such as `{relation: true, columns: true}`");
                false
            }
        }
    }

    /// What a function says about itself, as far as it has a meaning here.
    fn function(&mut self) {
        for (key, allowed) in
            [("type", &["scalar", "aggregate"][..]), ("volatility", &["deterministic", "stable", "non-deterministic"])]
        {
            let Some(text) = self.text(key) else { continue };
            if !allowed.contains(&text.as_str()) {
                let words: Vec<String> = allowed.iter().map(|word| format!("`{word}`")).collect();
                self.wrong(key, &words.join(" or "));
            }
        }
    }

    /// dbt 1.12 can keep a view of the latest version under the model's own name, or under an `alias`.
    fn pointer(&mut self) -> Option<VersionPointer> {
        let placed = self.raw.get("latest_version_pointer")?;
        let entries = object(&placed.value);
        let enabled = entries.and_then(|entries| entries.get("enabled")).unwrap_or(&placed.value);
        let alias = entries.and_then(|entries| entries.get("alias")).filter(|alias| !alias.is_null());
        match (enabled, alias.map(scalar)) {
            (Json::Bool(true), None) => Some(VersionPointer { alias: None }),
            (Json::Bool(true), Some(Some(alias))) => Some(VersionPointer { alias: Some(alias) }),
            (Json::Bool(false) | Json::Null, _) => None,
            _ => {
                self.wrong("latest_version_pointer", "a mapping such as `{enabled: true, alias: orders}`");
                None
            }
        }
    }

    fn model(&mut self, config: &mut NodeConfig) {
        config.latest_version_pointer = self.pointer();
        if let Some(word) = self.text("access") {
            match Access::ALL.into_iter().find(|one| one.as_str() == word) {
                Some(access) => config.access = access,
                None => self.not_one_of("access", &word, &Access::ALL.map(Access::as_str)),
            }
        }
        if let Some(word) = self.text("materialized") {
            match Materialization::ALL.into_iter().find(|one| one.as_str() == word) {
                Some(materialized) if !self.custom.contains(&word) => config.materialized = materialized,
                _ if self.custom.contains(&word) => config.materialized = Materialization::Custom,
                _ => {
                    let mut known: Vec<&str> = Materialization::ALL.map(Materialization::as_str).to_vec();
                    known.extend(self.custom.iter().map(String::as_str));
                    self.not_one_of("materialized", &word, &known);
                    config.unusable.extend(self.diagnostics.0.pop());
                }
            }
        }
        config.unique_key = self.keys();
        if let Some(word) = self.text("incremental_strategy").filter(|word| word != "default") {
            if let Some(strategy) = IncrementalStrategy::ALL.into_iter().find(|one| one.as_str() == word) {
                config.incremental_strategy = Some(strategy);
            } else {
                config.unusable.extend(self.unknown_strategy(&word));
            }
        }
        config.incremental_predicates = self.texts("incremental_predicates").unwrap_or_default();
        config.merge_update_columns = self.texts("merge_update_columns");
        config.merge_exclude_columns = self.texts("merge_exclude_columns").unwrap_or_default();
        if config.merge_update_columns.is_some() && !config.merge_exclude_columns.is_empty() {
            let message = format!(
                "{} sets both `merge_update_columns` and `merge_exclude_columns`; one of them says it all",
                self.owner
            );
            self.complain("bad-config", "merge_exclude_columns", message);
        }
        config.delete_when = self.text("delete_when");
        if let Some(word) = self.text("on_schema_change") {
            match OnSchemaChange::ALL.into_iter().find(|one| one.as_str() == word) {
                Some(change) => config.on_schema_change = change,
                None => {
                    self.not_one_of("on_schema_change", &word, &OnSchemaChange::ALL.map(OnSchemaChange::as_str));
                    // As under dbt, which goes on with the default.
                    if let Some(problem) = self.diagnostics.0.last_mut() {
                        problem.severity = Severity::Warning;
                    }
                }
            }
        }
        self.storage(config);
        let needs_key =
            matches!(config.incremental_strategy, Some(IncrementalStrategy::Merge | IncrementalStrategy::DeleteInsert));
        if config.materialized == Materialization::Incremental {
            if needs_key && config.unique_key.is_empty() {
                let message =
                    format!("{} has no `unique_key`, so its `incremental_strategy` adds all rows", self.owner);
                let place = self.place_of("incremental_strategy");
                self.diagnostics.push(Diagnostic::warning("missing-config", message).at_maybe(place, ""));
            }
            if config.incremental_strategy == Some(IncrementalStrategy::Microbatch) {
                self.microbatch(config);
            }
            if config.incremental_strategy == Some(IncrementalStrategy::InsertOverwrite)
                && config.partition_by.is_empty()
            {
                let message = format!("{} has no `partition_by`, which `insert_overwrite` needs", self.owner);
                self.complain("missing-config", "incremental_strategy", message);
            }
            // Else the first build would leave rows out and the later runs would add them.
            let has_key = !config.unique_key.is_empty()
                && !matches!(
                    config.incremental_strategy,
                    Some(
                        IncrementalStrategy::Append
                            | IncrementalStrategy::InsertOverwrite
                            | IncrementalStrategy::Microbatch
                    )
                );
            if config.delete_when.is_some() && !has_key {
                let message = format!(
                    "{} has `delete_when`, which needs a `unique_key` and the strategy `merge` or `delete+insert`",
                    self.owner
                );
                self.complain("bad-config", "delete_when", message);
            }
        }
    }

    /// The key columns; an empty text is none, as under dbt.
    fn keys(&mut self) -> Vec<String> {
        let mut keys = self.texts("unique_key").unwrap_or_default();
        keys.retain(|key| !key.trim().is_empty());
        keys
    }

    /// Other commands than those that build the model have no use for its strategy, so it is told by them alone, as
    /// under dbt.
    fn unknown_strategy(&mut self, word: &str) -> Option<Diagnostic> {
        self.not_one_of("incremental_strategy", word, &IncrementalStrategy::ALL.map(IncrementalStrategy::as_str));
        let problem = self.diagnostics.0.pop()?;
        let name = word.replace(['+', '-'], "_");
        let hint = format!("karat combines rows itself: it calls no macro `get_incremental_{name}_sql`");
        let problem = problem.known_as(format!(
            "dbt could not find an incremental strategy macro with the name \"get_incremental_{name}_sql\""
        ));
        Some(if problem.hint.is_none() { problem.with_hint(hint) } else { problem })
    }

    /// What models, snapshots and seeds say about their files.
    fn storage(&mut self, config: &mut NodeConfig) {
        config.partition_by = match self.raw.get("partition_by") {
            // BigQuery's form; the column is what it has in common with ours.
            Some(Placed { value: Json::Object(entries), .. }) => {
                entries.get("field").and_then(Json::as_str).map(|field| vec![field.to_owned()]).unwrap_or_default()
            }
            _ => self.texts("partition_by").unwrap_or_default(),
        };
        config.sort_by = self.texts("sort_by").unwrap_or_default();
        config.compression = self.text("compression");
        if let Some(word) = &config.compression {
            let level = word.strip_prefix("zstd(").and_then(|rest| rest.strip_suffix(')'));
            let fits = matches!(word.as_str(), "none" | "uncompressed" | "snappy" | "lz4" | "zstd")
                || level.is_some_and(|level| level.parse::<u8>().is_ok_and(|level| (1..=22).contains(&level)));
            if !fits {
                let word = word.clone();
                self.not_one_of("compression", &word, &["none", "snappy", "lz4", "zstd", "zstd(3)"]);
                config.compression = None;
            }
        }
    }

    fn snapshot(&mut self, config: &mut NodeConfig) {
        config.materialized = Materialization::Table;
        config.unique_key = self.keys();
        if config.unique_key.is_empty() {
            self.missing("unique_key");
        }
        // The old names go around `generate_schema_name`; see `names`.
        let updated_at = self.text("updated_at");
        match self.text("strategy").as_deref() {
            Some("timestamp") => match updated_at {
                Some(updated_at) => config.snapshot_strategy = Some(SnapshotStrategy::Timestamp { updated_at }),
                None => self.missing("updated_at"),
            },
            Some("check") => {
                let all = self.raw.get("check_cols").is_some_and(|placed| placed.value == "all");
                let columns = if all { None } else { self.texts("check_cols") };
                if columns.as_ref().is_some_and(Vec::is_empty) || (!all && columns.is_none()) {
                    self.missing("check_cols");
                }
                config.snapshot_strategy = Some(SnapshotStrategy::Check { columns, updated_at });
            }
            Some(word) => {
                let word = word.to_owned();
                self.not_one_of("strategy", &word, &["timestamp", "check"]);
                config.unusable.extend(self.diagnostics.0.pop());
            }
            None => self.missing("strategy"),
        }
        match self.text("hard_deletes").as_deref() {
            None | Some("ignore") => {}
            Some("invalidate") => config.hard_deletes = HardDeletes::Invalidate,
            Some("new_record") => config.hard_deletes = HardDeletes::NewRecord,
            Some(word) => {
                let word = word.to_owned();
                self.not_one_of("hard_deletes", &word, &["ignore", "invalidate", "new_record"]);
                config.unusable.extend(self.diagnostics.0.pop());
            }
        }
        if let Some(invalidate) = self.boolean("invalidate_hard_deletes") {
            if self.raw.get("hard_deletes").is_some() {
                let message =
                    format!("{} sets both `hard_deletes` and its old form `invalidate_hard_deletes`", self.owner);
                self.complain("bad-config", "invalidate_hard_deletes", message);
            } else if invalidate {
                config.hard_deletes = HardDeletes::Invalidate;
            }
        }
        config.dbt_valid_to_current = self.text("dbt_valid_to_current");
        config.snapshot_columns = self.snapshot_columns();
        config.max_delete_fraction = self.fraction("max_delete_fraction");
        self.storage(config);
    }

    fn snapshot_columns(&mut self) -> SnapshotColumns {
        let mut columns = SnapshotColumns::default();
        for (key, value) in self.mapping("snapshot_meta_column_names") {
            let slot = match key.as_str() {
                "dbt_valid_from" => &mut columns.valid_from,
                "dbt_valid_to" => &mut columns.valid_to,
                "dbt_scd_id" => &mut columns.scd_id,
                "dbt_updated_at" => &mut columns.updated_at,
                "dbt_is_deleted" => &mut columns.is_deleted,
                _ => {
                    let all = ["dbt_valid_from", "dbt_valid_to", "dbt_scd_id", "dbt_updated_at", "dbt_is_deleted"];
                    self.not_one_of("snapshot_meta_column_names", &key, &all);
                    continue;
                }
            };
            match value.as_str() {
                // A name without quotes is one that SQL finds without quotes.
                Some(name) => *slot = unquoted(name).unwrap_or_else(|| name.to_lowercase()),
                None => self.wrong("snapshot_meta_column_names", "a mapping of names to names"),
            }
        }
        columns
    }

    fn seed(&mut self, config: &mut NodeConfig) {
        config.materialized = Materialization::Table;
        for (column, value) in self.mapping("column_types") {
            match value.as_str() {
                Some(data_type) => {
                    config.column_types.insert(column, data_type.to_owned());
                }
                None => self.wrong("column_types", "a mapping of columns to types"),
            }
        }
        if let Some(delimiter) = self.text("delimiter") {
            let unescaped = if delimiter == "\\t" { "\t" } else { delimiter.as_str() };
            match unescaped.as_bytes() {
                [byte] if byte.is_ascii() => config.delimiter = char::from(*byte),
                _ => self.wrong("delimiter", "one ASCII character"),
            }
        }
        config.quote_columns = self.boolean("quote_columns").unwrap_or(false);
        self.storage(config);
    }

    fn test(&mut self, config: &mut NodeConfig) {
        match self.text("severity").map(|word| word.to_lowercase()).as_deref() {
            None | Some("error") => {}
            Some("warn") => config.severity = TestSeverity::Warn,
            Some(word) => {
                let word = word.to_owned();
                self.not_one_of("severity", &word, &["error", "warn"]);
            }
        }
        for key in ["warn_if", "error_if"] {
            let Some(condition) = self.text(key) else { continue };
            if !is_condition(&condition) {
                self.wrong(key, "a comparison with a number, such as `>10`");
            } else if key == "warn_if" {
                config.warn_if = condition;
            } else {
                config.error_if = condition;
            }
        }
        if let Some(fail_calc) = self.text("fail_calc") {
            config.fail_calc = fail_calc;
        }
        config.where_clause = self.text("where");
        config.limit = self.number("limit");
        config.store_failures = self.boolean("store_failures");
        match self.text("store_failures_as").as_deref() {
            None => {}
            Some("table") => config.store_failures = Some(true),
            Some("view") => {
                config.store_failures = Some(true);
                config.store_failures_as_view = true;
            }
            Some("ephemeral") => config.store_failures = Some(false),
            Some(word) => {
                let word = word.to_owned();
                self.not_one_of("store_failures_as", &word, &["table", "view", "ephemeral"]);
                // Only who runs the test has to know.
                let phrase =
                    format!("'{word}' is not a valid value. Accepted values are: ['ephemeral', 'table', 'view']");
                config.unusable.extend(self.diagnostics.0.pop().map(|problem| problem.known_as(phrase)));
            }
        }
    }

    fn contract(&mut self) -> bool {
        let Some(placed) = self.raw.get("contract") else { return false };
        match object(&placed.value).map(|entries| entries.get("enforced")) {
            Some(None) => false,
            Some(Some(Json::Bool(enforced))) => *enforced,
            _ => {
                self.wrong("contract", "a mapping such as `{enforced: true}`");
                false
            }
        }
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let text = scalar(&self.raw.get(key)?.value);
        if text.is_none() {
            self.wrong(key, "a text");
        }
        text
    }

    fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let placed = self.raw.get(key)?;
        let items = match &placed.value {
            Json::Array(items) => items.iter().map(scalar).collect::<Option<Vec<_>>>(),
            value => scalar(value).map(|text| vec![text]),
        };
        if items.is_none() {
            self.wrong(key, "a text or a list of texts");
        }
        items
    }

    fn boolean(&mut self, key: &str) -> Option<bool> {
        match &self.raw.get(key)?.value {
            Json::Bool(flag) => Some(*flag),
            // What Jinja rendered is a text.
            Json::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Json::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => {
                self.wrong(key, "true or false");
                None
            }
        }
    }

    fn number(&mut self, key: &str) -> Option<u64> {
        let value = &self.raw.get(key)?.value;
        let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
        if number.is_none() {
            self.wrong(key, "a number of at least 0");
        }
        number
    }

    fn fraction(&mut self, key: &str) -> Option<f64> {
        let number = self.raw.get(key)?.value.as_f64().filter(|number| (0.0..=1.0).contains(number));
        if number.is_none() {
            self.wrong(key, "a number from 0 to 1");
        }
        number
    }

    fn mapping(&mut self, key: &str) -> IndexMap<String, Json> {
        let Some(placed) = self.raw.get(key) else { return IndexMap::new() };
        if let Some(entries) = object(&placed.value) {
            return entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        }
        self.wrong(key, "a mapping");
        IndexMap::new()
    }

    /// Hooks: texts, or dbt's `{sql, transaction}`; there are no transactions to choose here.
    fn hooks(&mut self, key: &str) -> Vec<Hook> {
        let Some(placed) = self.raw.get(key) else { return Vec::new() };
        let items = match &placed.value {
            Json::Array(items) => items.iter().collect(),
            one => vec![one],
        };
        let mut hooks = Vec::new();
        for item in items {
            // `after_commit("...")` and the like give a mapping as a text.
            let written = item.as_str().filter(|text| text.trim_start().starts_with('{'));
            let mapping: Option<Json> = written.and_then(|text| serde_json::from_str(text).ok());
            let item = mapping.as_ref().unwrap_or(item);
            let sql = item.as_str().or_else(|| item.get("sql").and_then(Json::as_str));
            let transaction = item.get("transaction").and_then(Json::as_bool).unwrap_or(true);
            match sql {
                Some(sql) if sql.trim().is_empty() => {}
                Some(sql) => hooks.push(Hook { sql: sql.to_owned(), transaction }),
                None => self.wrong(key, "a statement or a list of statements"),
            }
        }
        // As under dbt: what is outside of the transaction comes before it, or after it.
        hooks.sort_by_key(|hook| hook.transaction == (key == "pre-hook"));
        hooks
    }

    fn place_of(&self, key: &str) -> Option<Location> {
        let own = self.raw.values.get(keys::canonical(key)).and_then(|placed| placed.location.as_ref());
        own.or(self.place).cloned()
    }

    fn complain(&mut self, code: &'static str, key: &str, message: String) {
        self.diagnostics.push(Diagnostic::error(code, message).at_maybe(self.place_of(key), ""));
    }

    fn missing(&mut self, key: &str) {
        let message = format!("{} has no `{key}`, which a snapshot needs", self.owner);
        self.diagnostics.push(Diagnostic::error("missing-config", message).at_maybe(self.place.cloned(), ""));
    }

    fn wrong(&mut self, key: &str, expected: &str) {
        let found = self.raw.get(key).map(|placed| kind_of(&placed.value)).unwrap_or_default();
        let message = format!("`{key}` of {} must be {expected}, but is {found}", self.owner);
        self.complain("wrong-type", key, message);
    }

    fn not_one_of(&mut self, key: &str, word: &str, allowed: &[&str]) {
        let diagnostic = match self.place_of(key) {
            Some(place) => not_one_of(key, word, &place, allowed),
            None => Diagnostic::error("bad-value", format!("`{key}` of {} can't be `{word}`", self.owner)),
        };
        self.diagnostics.push(diagnostic);
    }
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn kind_of(value: &Json) -> String {
    match value {
        Json::Null => "nothing".to_owned(),
        Json::Bool(flag) => format!("`{flag}`"),
        Json::Number(number) => format!("`{number}`"),
        Json::String(text) => format!("`{text}`"),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "a mapping".to_owned(),
    }
}

/// Whether a text is a comparison of the number of failures with a number, or a range.
fn is_condition(text: &str) -> bool {
    let text = text.trim();
    if let Some(range) = text.to_lowercase().strip_prefix("between ") {
        return range.split_once(" and ").is_some_and(|(low, high)| is_number(low) && is_number(high));
    }
    ["!=", "<>", ">=", "<=", "==", "=", ">", "<"]
        .into_iter()
        .find_map(|operator| text.strip_prefix(operator))
        .is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok_and(f64::is_finite)
}
