//! The engine's sentences in the user's words: one sentence, SQL's names of types, no dumps of trees or structures.
//!
//! Pure functions over text. What an error is, is decided in [`error`](super::error).

use std::borrow::Cow;

use regex::{Captures, Regex};

/// Replaces all matches; a pattern that is not one changes nothing.
fn replaced<'a>(text: &'a str, pattern: &str, with: impl Fn(&Captures<'_>) -> String) -> Cow<'a, str> {
    Regex::new(pattern).map_or(Cow::Borrowed(text), |regex| {
        Cow::Owned(regex.replace_all(text, |found: &Captures<'_>| with(found)).into_owned())
    })
}

/// Groups of the first match of a pattern, the whole match left out.
pub fn groups(text: &str, pattern: &str) -> Option<Vec<String>> {
    let regex = Regex::new(pattern).ok()?;
    let found = regex.captures(text)?;
    Some(found.iter().skip(1).map(|group| group.map_or_else(String::new, |group| group.as_str().to_owned())).collect())
}

/// One sentence for the user, made from what the engine says.
pub fn sentence(text: &str) -> String {
    let text = without_prefixes(text);
    let text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    let text = text.lines().next().unwrap_or_default();
    let text = without_dump(text);
    let text = sql_types(&text);
    let text = short_relations(&text);
    // Literals are set in backticks; an apostrophe within a word (`can't`) is no quote.
    let text = replaced(&text, r"(^|[\s(:,=])'([^'`]*)'", |found| format!("{}`{}`", &found[1], &found[2]));
    let text = replaced(&text, r#"(^|[\s(:,=])"([^"`]*)""#, |found| format!("{}`{}`", &found[1], &found[2]));
    let text = text.split(". ").next().unwrap_or_default();
    lower_first(text.trim_end_matches(['.', ':', ' ', '!']))
}

/// A text without the names of the layers that passed it on.
fn without_prefixes(text: &str) -> &str {
    const LAYERS: [&str; 17] = [
        "Error during planning: ",
        "Execution error: ",
        "Internal error: ",
        "External error: ",
        "Arrow error: ",
        "Compute error: ",
        "Invalid argument error: ",
        "Parser error: ",
        "Cast error: ",
        "Arithmetic overflow: ",
        "Schema error: ",
        "Optimizer error: ",
        "type_coercion",
        "caused by",
        "This feature is not implemented: ",
        "DataFusion error: ",
        "External: ",
    ];
    let mut rest = text.trim();
    while let Some(next) = LAYERS.iter().find_map(|layer| rest.strip_prefix(layer)) {
        rest = next.trim_start();
    }
    rest
}

/// A text up to where it goes over into the inner form of a syntax tree or a plan.
fn without_dump(text: &str) -> Cow<'_, str> {
    let matches =
        |pattern: &str| Regex::new(pattern).ok().and_then(|regex| regex.find(text).map(|found| found.start()));
    if matches(r#"[A-Z]\w+ \{ \w+: |Span\(|\["|plan: "#).is_none() {
        return Cow::Borrowed(text);
    }
    match matches(r#",? ?\b(got|expr|found|plan|in|but|expression)?:? ?([A-Z][A-Za-z]+ ?[({]|\[")"#) {
        Some(at) if at > 0 => Cow::Owned(text[..at].to_owned()),
        _ => Cow::Borrowed(text),
    }
}

/// Names of types as SQL spells them.
pub fn sql_types(text: &str) -> String {
    const NAMES: [(&str, &str); 24] = [
        ("Decimal128", "decimal"),
        ("Decimal256", "decimal"),
        ("LargeUtf8", "varchar"),
        ("Utf8View", "varchar"),
        ("Utf8", "varchar"),
        ("Int8", "tinyint"),
        ("Int16", "smallint"),
        ("Int32", "integer"),
        ("Int64", "bigint"),
        ("UInt8", "unsigned tinyint"),
        ("UInt16", "unsigned smallint"),
        ("UInt32", "unsigned integer"),
        ("UInt64", "unsigned bigint"),
        ("Float16", "float"),
        ("Float32", "float"),
        ("Float64", "double"),
        ("Boolean", "boolean"),
        ("Date32", "date"),
        ("Date64", "date"),
        ("BinaryView", "binary"),
        ("LargeBinary", "binary"),
        ("Binary", "binary"),
        ("Null", "null"),
        ("String", "varchar"),
    ];
    // A literal shows its type around its value.
    let text = replaced(text, r"\b(?:U?Int\d+|Float\d+|Utf8|Utf8View|Boolean)\(([^()]*)\)", |found| {
        found[1].replace('"', "'")
    });
    let text = replaced(&text, r"Decimal(?:32|64|128|256)\((\d+), ?(-?\d+)\)", |found| {
        format!("decimal({}, {})", &found[1], &found[2])
    });
    let text = replaced(&text, r"Timestamp\((\w+)(?:, (None|Some\([^)]*\)|[^()]*))?\)", |found| {
        match found.get(2).map(|zone| zone.as_str()) {
            None | Some("None") => "timestamp".to_owned(),
            Some(_) => "timestamp with time zone".to_owned(),
        }
    });
    let text = replaced(&text, r"(Time32|Time64|Interval|Duration)\(\w+\)", |found| {
        found[1].trim_end_matches(char::is_numeric).to_lowercase()
    });
    replaced(&text, r"[A-Za-z][A-Za-z0-9]*", |found| {
        let word = &found[0];
        NAMES.iter().find(|(name, _)| *name == word).map_or(word, |(_, name)| name).to_owned()
    })
    .into_owned()
}

/// Names of columns without the database and the schema of their relation.
fn short_relations(text: &str) -> String {
    replaced(text, r"\b[A-Za-z_]\w*\.[A-Za-z_]\w*\.([A-Za-z_]\w*\.[A-Za-z_]\w*)\b", |found| found[1].to_owned())
        .into_owned()
}

/// The kind of work that an operator of the engine does; its own name if it is not one of the well-known.
pub fn operator(name: &str) -> String {
    const WORK: [(&str, &str); 14] = [
        ("ExternalSorterMerge", "merging sorted rows"),
        ("ExternalSorter", "sorting"),
        ("FinalHashAggregate", "grouping"),
        ("SortPreservingMerge", "merging sorted rows"),
        ("GroupedHashAggregate", "grouping"),
        ("AggregateStream", "grouping"),
        ("HashJoin", "a hash join"),
        ("SortMergeJoin", "a sort-merge join"),
        ("SMJStream", "a sort-merge join"),
        ("NestedLoopJoin", "a join without an equality"),
        ("CrossJoin", "a cross join"),
        ("RepartitionExec", "distributing rows"),
        ("TopK", "sorting with a limit"),
        ("Window", "a window function"),
    ];
    let known = WORK.iter().find(|(start, _)| name.starts_with(start));
    known
        .map_or_else(|| name.split(['[', '#']).next().unwrap_or(name).trim().to_owned(), |(_, work)| (*work).to_owned())
}

/// A text with a small first letter, unless the first word is an acronym or the name of a type.
pub fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match (characters.next(), characters.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_short_and_speak_sql() {
        for (said, expected) in [
            (
                "Error during planning: Cannot coerce arithmetic expression Utf8 + Int64 to valid types",
                "cannot coerce arithmetic expression varchar + bigint to valid types",
            ),
            ("Execution error: Arrow error: Compute error: it broke\nand more", "it broke"),
            (
                "Unsupported interval argument, got: Interval(Interval { value: Span(Location(1,2)) })",
                "unsupported interval argument",
            ),
            (
                "correlated subquery is wrong, plan: [\"AggregateExec: mode=Single\", \"x\"]",
                "correlated subquery is wrong",
            ),
            ("Invalid timezone \"Mars/X\": failed", "invalid timezone `Mars/X`: failed"),
            ("Can't cast value 300 to type Int8", "can't cast value 300 to type tinyint"),
            (
                "column 'shop.main.a.name' of Decimal128(10, 2), Timestamp(Microsecond, None)",
                "column `a.name` of decimal(10, 2), timestamp",
            ),
            (
                "HAVING clause references: a.price > Int64(1) must appear",
                "HAVING clause references: a.price > 1 must appear",
            ),
            (
                "Physical plan does not support expression WindowFunction(WindowFunction { fun: X { y: 1 } })",
                "physical plan does not support",
            ),
            ("UNION queries have different number of columns", "UNION queries have different number of columns"),
        ] {
            assert_eq!(sentence(said), expected);
        }
    }

    #[test]
    fn operators_are_named_by_their_work() {
        assert_eq!(operator("ExternalSorterMerge[0]"), "merging sorted rows");
        assert_eq!(operator("HashJoinInput"), "a hash join");
        assert_eq!(operator("ParquetSink[3]"), "ParquetSink");
    }
}
