//! Profiles: the distributions and the rates of defects, as YAML. The embedded `clean.yml` has every key with its
//! meaning; other profiles give only the keys that differ.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::failure::Failure;

/// Every key with its default.
pub const CLEAN: &str = include_str!("profiles/clean.yml");

/// The rates of defects that are customary in a messy shop.
pub const MESSY: &str = include_str!("profiles/messy.yml");

/// A profile with all its keys. What each means is said in `profiles/clean.yml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub users: Users,
    pub addresses: Addresses,
    pub sessions: Sessions,
    pub orders: Orders,
    pub products: Products,
    pub promos: Promos,
    pub budget: Budget,
    pub journey: Journey,
    pub dirt: Dirt,
}

/// The section `users`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Users {
    pub per_1000_events: f64,
    pub inactive: f64,
    pub hub_share: f64,
    pub sessions_sigma: f64,
    pub update_days_max: f64,
    pub update_days_median: f64,
}

/// The section `addresses`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Addresses {
    pub per_user: f64,
    pub shared: f64,
    pub sharers: Vec<f64>,
    pub order_elsewhere: f64,
}

/// The section `sessions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    pub page_views: Vec<f64>,
    pub with_cart: f64,
    pub with_checkout: f64,
    pub items_left_behind: Vec<f64>,
    pub gap_median: f64,
    pub gap_ninth_decile: f64,
    pub shipped_after_hours: [f64; 2],
    pub hours: Vec<f64>,
}

/// The section `orders`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Orders {
    pub items: Vec<f64>,
    pub quantity: [f64; 2],
    pub shipping_cost: [f64; 2],
    pub services: Services,
    pub promo: f64,
    pub status: Statuses,
    pub estimated_days: [f64; 2],
    pub delivered_days: [f64; 2],
    pub estimate_missing: f64,
}

/// Weights of the carriers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Services {
    pub ups: f64,
    pub fedex: f64,
    pub usps: f64,
    pub dhl: f64,
}

/// Weights of the states of orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statuses {
    pub delivered: f64,
    pub shipped: f64,
    pub preparing: f64,
}

/// The section `products`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Products {
    pub price: [f64; 2],
    pub price_mean: f64,
    pub quarters: f64,
    pub inventory: [f64; 2],
    pub skew: f64,
}

/// The section `promos`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Promos {
    pub discounts: Vec<f64>,
    pub active: f64,
}

/// The section `budget`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    pub spread: [f64; 2],
}

/// The section `journey`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journey {
    pub quantity: [f64; 2],
    pub shipping_cost: [f64; 2],
    pub estimated_days: f64,
    pub gap: [f64; 2],
}

/// The section `dirt`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dirt {
    pub empty: f64,
    pub bad_cast: f64,
    pub time_format: f64,
    pub clock_changes: bool,
    pub duplicate: f64,
    pub newer_version: f64,
    pub late: f64,
    pub late_days: f64,
    pub future: f64,
    pub orphan: f64,
    pub negative: f64,
    pub arithmetic: f64,
    pub text: f64,
    pub byte_order_mark: f64,
    pub blank_first_line: f64,
}

impl Dirt {
    /// Whether rows can have defects at all.
    pub fn touches_rows(&self) -> bool {
        let rates = [
            self.empty,
            self.bad_cast,
            self.time_format,
            self.duplicate,
            self.newer_version,
            self.future,
            self.orphan,
            self.negative,
            self.arithmetic,
            self.text,
            self.late,
        ];
        self.clock_changes || rates.iter().any(|rate| *rate > 0.0)
    }
}

/// Keys whose values are shares, from 0 to 1.
const SHARES: [&str; 23] = [
    "users.inactive",
    "users.hub_share",
    "addresses.shared",
    "addresses.order_elsewhere",
    "sessions.with_cart",
    "sessions.with_checkout",
    "orders.promo",
    "orders.estimate_missing",
    "products.quarters",
    "promos.active",
    "dirt.empty",
    "dirt.bad_cast",
    "dirt.time_format",
    "dirt.duplicate",
    "dirt.newer_version",
    "dirt.late",
    "dirt.future",
    "dirt.orphan",
    "dirt.negative",
    "dirt.arithmetic",
    "dirt.text",
    "dirt.byte_order_mark",
    "dirt.blank_first_line",
];

/// A profile being put together from layers.
pub struct Layers {
    values: Json,
    /// Where a key was last given, for what is only seen in the end.
    places: Vec<(String, String)>,
}

impl Layers {
    /// The clean profile.
    pub fn new() -> Result<Self, Failure> {
        let mut layers = Self { values: Json::Object(Map::new()), places: Vec::new() };
        layers.values = plain(&parse("clean.yml", CLEAN)?.value);
        Ok(layers)
    }

    /// Takes the keys of a YAML text over those that are there. `name` is the file's, for messages.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), Failure> {
        let given = parse(name, text)?;
        let mut values = std::mem::take(&mut self.values);
        let merged = self.merge(&mut values, &given, name, "");
        self.values = values;
        merged
    }

    /// Takes a key given as `section.key=value`.
    pub fn assign(&mut self, assignment: &str) -> Result<(), Failure> {
        let expected = "expected a form such as `orders.promo=0.25`";
        let Some((path, value)) = assignment.split_once('=') else {
            return Err(Failure::Usage(format!("`--set {assignment}` has no `=`; {expected}")));
        };
        self.set("--set", path, value)
    }

    /// Takes the value of one key, given by an option.
    pub fn set(&mut self, option: &str, path: &str, value: &str) -> Result<(), Failure> {
        let mut text = String::new();
        let names: Vec<&str> = path.trim().split('.').collect();
        for (depth, name) in names.iter().enumerate() {
            text.push_str(&format!("{}{}:", "  ".repeat(depth), json!(name)));
            text.push_str(if depth + 1 == names.len() { " " } else { "\n" });
        }
        text.push_str(value.trim());
        self.add(option, &text)
    }

    fn merge(&mut self, known: &mut Json, given: &Node, name: &str, path: &str) -> Result<(), Failure> {
        let place = |node: &Node| place(name, node.line, node.column);
        let shown = |path: &str| if path.is_empty() { "the profile".to_owned() } else { format!("`{path}`") };
        let wrong = |node: &Node, expected: &str| {
            let found = node.value.describe();
            Err(Failure::Usage(format!("{}: {} is {found}; expected {expected}", place(node), shown(path))))
        };
        match known {
            Json::Object(known) => {
                let Value::Mapping(entries) = &given.value else {
                    // An empty section says nothing.
                    let is_nothing = matches!(given.value, Value::Null);
                    return if is_nothing { Ok(()) } else { wrong(given, "a mapping of keys") };
                };
                for (key, node) in entries {
                    let path = if path.is_empty() { key.text.clone() } else { format!("{path}.{}", key.text) };
                    let Some(inner) = known.get_mut(&key.text) else {
                        let message = format!("{}: unknown key `{path}`", place_of_key(name, key));
                        return Err(Failure::Usage(message + &near(&key.text, known.keys())));
                    };
                    self.merge(inner, node, name, &path)?;
                }
                return Ok(());
            }
            Json::Bool(_) if !matches!(given.value, Value::Bool(_)) => return wrong(given, "true or false"),
            Json::Number(_) if !matches!(given.value, Value::Number(_)) => return wrong(given, "a number"),
            Json::Array(items) => {
                let Value::Sequence(given_items) = &given.value else { return wrong(given, "a list of numbers") };
                if given_items.iter().any(|item| !matches!(item.value, Value::Number(_))) {
                    return wrong(given, "a list of numbers");
                }
                let is_pair = PAIRS.contains(&path);
                if is_pair && given_items.len() != items.len() {
                    return wrong(given, "a list of two numbers, the least and the most");
                }
            }
            _ => {}
        }
        *known = plain(&given.value);
        self.places.push((path.to_owned(), place(given)));
        Ok(())
    }

    /// The profile, with all values checked.
    pub fn finish(self) -> Result<Profile, Failure> {
        let places = self.places;
        let refuse = |path: &str, found: &Json, expected: &str| {
            let place = places.iter().rev().find(|(key, _)| key == path).map(|(_, place)| format!("{place}: "));
            Failure::Usage(format!("{}`{path}` is {found}; expected {expected}", place.unwrap_or_default()))
        };
        let value = |path: &str| path.split('.').try_fold(&self.values, |value, key| value.get(key));
        let numbers = |path: &str| -> Vec<f64> {
            match value(path) {
                Some(Json::Array(items)) => items.iter().filter_map(Json::as_f64).collect(),
                Some(Json::Object(items)) => items.values().filter_map(Json::as_f64).collect(),
                other => other.and_then(Json::as_f64).into_iter().collect(),
            }
        };
        let check = |path: &str, expected: &str, is_good: &dyn Fn(&[f64]) -> bool| {
            let found = value(path).unwrap_or(&Json::Null);
            if is_good(&numbers(path)) { Ok(()) } else { Err(refuse(path, found, expected)) }
        };
        for path in SHARES {
            check(path, "a share from 0 to 1", &|shares| shares.iter().all(|share| (0.0..=1.0).contains(share)))?;
        }
        for (path, limit) in WEIGHTS {
            check(path, &format!("1 to {limit} weights, none below 0 and not all 0"), &|weights| {
                (1..=limit).contains(&weights.len())
                    && weights.iter().all(|weight| *weight >= 0.0 && weight.is_finite())
                    && weights.iter().sum::<f64>() > 0.0
            })?;
        }
        for path in PAIRS {
            check(path, "two numbers from 0 to 1000000, the greater last", &|pair| {
                pair.len() == 2 && pair[0] <= pair[1] && pair.iter().all(|number| (0.0..=1e6).contains(number))
            })?;
        }
        let within = |path: &str, least: f64, most: f64| {
            check(path, &format!("a number from {least} to {most}"), &|numbers| {
                numbers.iter().all(|number| (least..=most).contains(number))
            })
        };
        within("users.per_1000_events", 0.001, 1000.0)?;
        within("users.sessions_sigma", 0.0, 3.0)?;
        within("users.update_days_max", 0.0, 1000.0)?;
        within("addresses.per_user", 1.0, 100.0)?;
        within("products.skew", 0.0, 10.0)?;
        within("sessions.gap_median", 0.1, 600.0)?;
        within("journey.estimated_days", 0.0, 365.0)?;
        within("dirt.late_days", 0.0, 3650.0)?;
        within("orders.estimated_days", 0.0, 60.0)?;
        within("orders.delivered_days", 0.0, 60.0)?;
        within("sessions.shipped_after_hours", 0.0, 12.0)?;
        within("journey.gap", 1.0, 60.0)?;
        check("sessions.hours", "24 weights", &|weights| weights.len() == 24)?;
        check("promos.discounts", "1 to 1000 whole numbers from 0 to 1000", &|discounts| {
            (1..=1000).contains(&discounts.len())
                && discounts.iter().all(|discount| (0.0..=1000.0).contains(discount) && discount.fract() == 0.0)
        })?;
        let sessions = value("sessions").unwrap_or(&Json::Null);
        let (cart, checkout) = (&sessions["with_cart"], &sessions["with_checkout"]);
        if cart.as_f64() < checkout.as_f64() {
            let expected = format!("at least `sessions.with_checkout`, which is {checkout}");
            return Err(refuse("sessions.with_cart", cart, &expected));
        }
        let max = numbers("users.update_days_max");
        check("users.update_days_median", "more than 0 and less than `users.update_days_max`", &|median| {
            max == [0.0] || (median[0] > 0.0 && median[0] < max[0])
        })?;
        let gap = numbers("sessions.gap_median")[0];
        check("sessions.gap_ninth_decile", "more than `sessions.gap_median`, at most 100 times of it", &|decile| {
            decile[0] > gap && decile[0] <= gap * 100.0
        })?;
        let price = numbers("products.price");
        check("products.price_mean", "more than the least and less than the greatest of `products.price`", &|mean| {
            price[0] >= price[1] || (mean[0] > price[0] && mean[0] < price[1])
        })?;
        serde_json::from_value(self.values).map_err(|error| Failure::Usage(format!("the profile: {error}")))
    }
}

/// Lists of weights, with how many there may be.
const WEIGHTS: [(&str, usize); 7] = [
    ("addresses.sharers", 30),
    ("sessions.page_views", 24),
    ("sessions.items_left_behind", 12),
    ("sessions.hours", 24),
    ("orders.items", 12),
    ("orders.services", 4),
    ("orders.status", 3),
];

/// Ranges: the least and the most.
const PAIRS: [&str; 11] = [
    "sessions.shipped_after_hours",
    "orders.quantity",
    "orders.shipping_cost",
    "orders.estimated_days",
    "orders.delivered_days",
    "products.price",
    "products.inventory",
    "budget.spread",
    "journey.quantity",
    "journey.shipping_cost",
    "journey.gap",
];

/// A place in a file; the value of an option has only the option's name.
fn place(name: &str, line: u64, column: u64) -> String {
    if name.starts_with("--") { name.to_owned() } else { format!("{name}:{line}:{column}") }
}

fn place_of_key(name: &str, key: &Key) -> String {
    place(name, key.line, key.column)
}

/// A hint at the name that was perhaps meant, and otherwise at all names.
fn near<'a>(found: &str, names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&String> = names.collect();
    let best = names.iter().map(|name| (strsim::jaro_winkler(found, name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((similarity, name)) if similarity > 0.75 => format!("; did you mean `{name}`?"),
        _ => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("; expected one of {}", names.join(", "))
        }
    }
}

/// A YAML value with its place.
struct Node {
    value: Value,
    line: u64,
    column: u64,
}

struct Key {
    text: String,
    line: u64,
    column: u64,
}

enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(Key, Node)>),
}

impl Value {
    fn describe(&self) -> String {
        match self {
            Self::Null => "empty".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(text) => format!("the text `{text}`"),
            Self::Sequence(items) => format!("a list of {}", items.len()),
            Self::Mapping(_) => "a mapping".to_owned(),
        }
    }
}

fn parse(name: &str, text: &str) -> Result<Node, Failure> {
    serde_saphyr::from_str::<serde_saphyr::Spanned<Value>>(text).map(node).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        let message = error.without_snippet().to_string();
        Failure::Usage(format!("{}: not YAML: {}", place(name, line, column), message.trim()))
    })
}

fn node(spanned: serde_saphyr::Spanned<Value>) -> Node {
    let (line, column) = (spanned.defined.line(), spanned.defined.column());
    Node { value: spanned.value, line, column }
}

/// Whole numbers stay whole, so that a printed profile looks as it was written.
fn plain(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Number(value) if value.fract() == 0.0 && value.abs() < 1e15 => json!(crate::numbers::rounded(*value)),
        Value::Number(value) => json!(value),
        Value::Text(text) => json!(text),
        Value::Sequence(items) => items.iter().map(|item| plain(&item.value)).collect(),
        Value::Mapping(entries) => {
            Json::Object(entries.iter().map(|(key, node)| (key.text.clone(), plain(&node.value))).collect())
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(crate::numbers::real(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(crate::numbers::float(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(node(item));
        }
        Ok(Value::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<serde_saphyr::Spanned<String>>()? {
            let (line, column) = (key.defined.line(), key.defined.column());
            let key = Key { text: key.value, line, column };
            entries.push((key, node(access.next_value()?)));
        }
        Ok(Value::Mapping(entries))
    }
}

/// All keys of the clean profile as JSON.
pub fn default_values() -> Json {
    parse("clean.yml", CLEAN).map(|node| plain(&node.value)).unwrap_or_default()
}
