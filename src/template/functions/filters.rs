//! Filters and tests that minijinja lacks, or whose text differs from Python's.
#![expect(clippy::needless_pass_by_value, reason = "minijinja hands options over by value")]

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use crate::template::evaluate::operators::{Number, percent_format};
use crate::template::failure::Stop;
use crate::template::functions::data::parse_yaml;
use crate::template::values::relation::RelationObject;
use crate::template::values::{self, List, text};

/// Names of the filters, for "did you mean".
pub const NAMES: [&str; 56] = [
    "abs",
    "as_bool",
    "as_native",
    "as_number",
    "as_text",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "center",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "escape",
    "first",
    "float",
    "format",
    "fromjson",
    "fromyaml",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "toyaml",
    "trim",
    "truncate",
    "unique",
    "upper",
    "wordcount",
];

/// An environment with all filters and tests.
pub fn environment(fuel: u64) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(fuel));
    environment.add_filter("string", |value: &Value| text::display(value));
    environment.add_filter("as_text", |value: &Value| text::display(value));
    // As under dbt, these say how a whole value of YAML is read, which `Templates::render_value` does; in SQL and in
    // macros they change nothing.
    for marker in ["as_native", "as_bool", "as_number"] {
        environment.add_filter(marker, |value: &Value| value.clone());
    }
    environment.add_filter("join", join);
    environment.add_filter("list", list);
    environment.add_filter("format", |format: &str, values: Rest<Value>| {
        percent_format(format, &values::tuple(values.to_vec())).map_err(error)
    });
    environment.add_filter("tojson", to_json);
    environment.add_filter("toyaml", |value: &Value| text::yaml_text(&values::to_json(value), false));
    environment.add_filter("fromjson", |value: &str| match serde_json::from_str(value) {
        Ok(json) => Ok(values::from_json(&json)),
        Err(reason) => Err(Error::new(ErrorKind::InvalidOperation, format!("cannot read the text: {reason}"))),
    });
    environment.add_filter("fromyaml", |value: &str| match parse_yaml(value) {
        Ok(json) => Ok(values::from_json(&json)),
        Err(reason) => Err(Error::new(ErrorKind::InvalidOperation, format!("cannot read the text: {reason}"))),
    });
    environment.add_filter("center", |value: &Value, width: Option<usize>| {
        let (value, width) = (text::display(value), width.unwrap_or(80));
        if width > 10_000 {
            return Err(Error::new(ErrorKind::InvalidOperation, "the width is larger than 10000"));
        }
        Ok(format!("{value:^width$}"))
    });
    environment.add_filter("wordcount", |value: &str| value.split_whitespace().count());
    environment.add_filter("truncate", truncate);
    environment.add_filter("trim", trim);
    environment.add_filter("int", int);
    environment.add_test("number", |value: &Value| Number::of(value).is_some() && value.kind() != ValueKind::Bool);
    // A relation is one in dbt.
    environment.add_test("mapping", |value: &Value| {
        value.kind() == ValueKind::Map || value.downcast_object_ref::<RelationObject>().is_some()
    });
    environment
}

fn error(stop: Stop) -> Error {
    match stop {
        Stop::Failure(failure) => Error::new(ErrorKind::InvalidOperation, failure.message),
        _ => Error::from(ErrorKind::InvalidOperation),
    }
}

fn int(value: &Value, default: Option<Value>) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "Python's int() cuts off the fraction, too")]
    let whole = |float: f64| float.is_finite().then(|| Value::from(float.trunc() as i128));
    let number = match Number::of(value) {
        Some(Number::Integer(integer)) => Some(Value::from(integer)),
        Some(number) => whole(number.to_f64()),
        None => value.as_str().map(str::trim).and_then(|text| match text.parse::<i128>() {
            Ok(integer) => Some(Value::from(integer)),
            Err(_) => text.parse::<f64>().ok().and_then(whole),
        }),
    };
    number.unwrap_or_else(|| default.unwrap_or_else(|| Value::from(0)))
}

fn join(value: &Value, separator: Option<Value>, options: Kwargs) -> Result<String, Error> {
    let by_name = options.get::<Option<Value>>("d")?;
    let attribute = options.get::<Option<String>>("attribute")?;
    options.assert_all_used()?;
    let separator = separator.or(by_name).map_or_else(String::new, |separator| text::display(&separator));
    let Some(items) = values::items_of(value) else {
        let message = format!("needs a list, not {}", values::a_type(value));
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    };
    let mut joined = String::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            joined.push_str(&separator);
        }
        let mut item = item.clone();
        for part in attribute.iter().flat_map(|attribute| attribute.split('.')) {
            item = item.get_attr(part).unwrap_or(Value::UNDEFINED);
        }
        joined.push_str(&text::display(&item));
    }
    Ok(joined)
}

fn list(value: &Value) -> Result<Value, Error> {
    match values::items_of(value) {
        Some(items) => Ok(List::value(items)),
        None => Err(Error::new(ErrorKind::InvalidOperation, format!("{} has no items", values::a_type(value)))),
    }
}

fn to_json(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<String, Error> {
    let sort_keys = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    let indent = indent.or(options.get::<Option<usize>>("indent")?);
    options.assert_all_used()?;
    Ok(text::json_text(&values::to_json(value), sort_keys, indent.map(|indent| indent.min(16))))
}

fn trim(value: &Value, characters: Option<String>) -> String {
    let text = text::display(value);
    match characters {
        Some(characters) => text.trim_matches(|character| characters.contains(character)).to_owned(),
        None => text.trim().to_owned(),
    }
}

fn truncate(value: &Value, length: Option<usize>, kill_words: Option<bool>, end: Option<String>) -> String {
    let text = text::display(value);
    let (length, end) = (length.unwrap_or(255), end.unwrap_or_else(|| "...".to_owned()));
    if text.chars().count() <= length + 5 {
        return text;
    }
    let cut: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    match kill_words {
        Some(true) => cut + &end,
        _ => cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words).to_owned() + &end,
    }
}
