//! What is known about the batches of a landing folder: a manifest for each, and the things that journeys changed.
//!
//! The first load is not listed anywhere: each of its users and orders is computed again from the seed when a journey
//! needs it. Only what journeys made or changed is kept, as its newest version, in a file beside the manifest of the
//! batch. All these files are written once and never changed, so a batch never touches what an earlier one wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::columns::{Tally, dollars};
use crate::disk;
use crate::failure::Failure;
use crate::output::{Finished, Layout, OWN_FOLDER, batch_name};
use crate::people::{Address, User};
use crate::shop::Settings;
use crate::tables::{TABLES, Table};
use crate::time::instant_text;
use crate::visit::Order;

/// The form of these files. A later one reads earlier ones.
pub const FORM: u64 = 1;

/// A manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the file.
    pub greenhouse: u64,
    /// `init` or `journey`.
    pub verb: String,
    /// The batch's number.
    pub batch: u64,
    /// The load time of the batch's rows.
    #[serde(with = "instant_text")]
    pub loaded: i64,
    /// Rows, times, sums and files by table.
    pub tables: BTreeMap<String, TableSummary>,
    /// How many defects of each kind there are.
    #[serde(default)]
    pub defects: BTreeMap<String, u64>,
    /// Form of files.
    pub layout: Layout,
    /// Since which batch the form of a table's rows is another one.
    #[serde(default)]
    pub drift: Option<Drift>,
    /// What decides the data of the shop, also of batches after it.
    pub settings: Settings,
}

/// Schema drift: since a batch, a table has an additional column, lacks one, has its columns in another order, and
/// writes whole numbers as decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The first batch.
    pub from: u64,
    /// The table.
    pub table: Table,
}

/// What a manifest says about a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableSummary {
    /// Rows as written, with those of injected defects.
    pub rows: u64,
    /// Earliest time before defects: of creation where the table has one, otherwise of loading.
    pub first_time: Option<String>,
    /// Latest such time.
    pub last_time: Option<String>,
    /// Sum of quantities before defects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum_quantity: Option<i64>,
    /// Sum of order totals before defects, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum_order_total: Option<String>,
    /// The files.
    pub files: Vec<Finished>,
}

impl TableSummary {
    /// From what was added up and written.
    pub fn new(table: Table, tally: &Tally, rows: u64, files: Vec<Finished>) -> Self {
        let has_quantity = table.position("quantity").is_some();
        Self {
            rows,
            first_time: tally.times.map(|(first, _)| instant_text::text(first)),
            last_time: tally.times.map(|(_, last)| instant_text::text(last)),
            sum_quantity: has_quantity.then_some(tally.quantity),
            sum_order_total: (table == Table::Orders).then(|| dollars(tally.total_cents).to_string()),
            files,
        }
    }
}

impl Manifest {
    /// The manifest as a JSON text.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The tables that have rows or files, in order.
    pub fn summaries(&self) -> impl Iterator<Item = (Table, &TableSummary)> {
        TABLES.into_iter().filter_map(|table| Some((table, self.tables.get(table.name())?)))
    }
}

/// A newer version of a thing, or a new thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// A user.
    User(User),
    /// An address.
    Address(Address),
    /// An order.
    Order(Order),
}

/// The changes as the lines of a file.
pub fn change_lines(changes: &[Change]) -> String {
    changes.iter().map(|change| serde_json::to_string(change).unwrap_or_default() + "\n").collect()
}

/// What batches have made of the shop.
#[derive(Debug, Default)]
pub struct State {
    /// Users that journeys made or changed, in their newest version.
    pub users: BTreeMap<u64, User>,
    /// Addresses that journeys made or changed.
    pub addresses: BTreeMap<u64, Address>,
    /// Orders that journeys made or changed.
    pub orders: BTreeMap<u64, Order>,
    /// Numbers of the users that journeys made, in order.
    pub new_users: Vec<u64>,
    /// Numbers of the orders that journeys made.
    pub new_orders: Vec<u64>,
    seen: BTreeSet<u64>,
}

impl State {
    /// Takes in a change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::User(user) => {
                if user.number >> 56 != 0 && self.seen.insert(user.number) {
                    self.new_users.push(user.number);
                }
                self.users.insert(user.number, user);
            }
            Change::Address(address) => {
                self.addresses.insert(address.number, address);
            }
            Change::Order(order) => {
                let is_new = self.orders.insert(order.number, order).is_none();
                if is_new && order.number >> 56 != 0 {
                    self.new_orders.push(order.number);
                }
            }
        }
    }
}

/// A landing folder that greenhouse wrote.
#[derive(Debug)]
pub struct History {
    /// The manifest of the first load.
    pub first: Manifest,
    /// The manifest of the last batch.
    pub last: Manifest,
    /// What the batches have made of the shop.
    pub state: State,
    /// The number that no batch has had yet, here or by another hand.
    pub next: u64,
}

/// The number of a file's batch, such as 2 of `batch-000002.csv`.
fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("batch-")?;
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// The highest number among the files of all tables; 0 without any.
pub fn highest_file(landing: &Path) -> Result<u64, Failure> {
    let mut highest = 0;
    for table in TABLES {
        for path in disk::files_below(&landing.join(table.name()))? {
            let number = path.file_name().and_then(|name| number_of(&name.to_string_lossy()));
            highest = highest.max(number.unwrap_or(0));
        }
    }
    Ok(highest)
}

/// Reads what earlier batches left in a landing folder.
pub fn read(landing: &Path) -> Result<History, Failure> {
    let own = landing.join(OWN_FOLDER);
    let mut manifests: Vec<Manifest> = Vec::new();
    let mut state = State::default();
    for name in disk::names(&own)?.iter().filter(|name| number_of(name).is_some()) {
        let folder = own.join(name);
        let path = folder.join("manifest.json");
        let Some(text) = disk::read(&path)? else { continue };
        manifests.push(read_manifest(&path, &text)?);
        let path = folder.join("changes.ndjson");
        for (line, text) in disk::read(&path)?.unwrap_or_default().lines().enumerate() {
            let change = serde_json::from_str(text).map_err(|error| {
                Failure::Usage(format!("{}:{}: not a change of greenhouse: {error}", path.display(), line + 1))
            })?;
            state.apply(change);
        }
    }
    manifests.sort_by_key(|manifest| manifest.batch);
    let shown = landing.display();
    let found = match disk::names(landing)? {
        names if names.is_empty() => "found nothing there".to_owned(),
        names => format!("found {} there", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    };
    let missing = format!("{OWN_FOLDER}/{}/manifest.json", batch_name(1));
    match (manifests.first(), manifests.last()) {
        (Some(first), Some(last)) if first.verb == "init" => Ok(History {
            next: last.batch.max(highest_file(landing)?) + 1,
            first: first.clone(),
            last: last.clone(),
            state,
        }),
        _ => Err(Failure::Usage(format!(
            "`{shown}` has no first load of greenhouse: expected `{missing}`, {found}; begin an empty folder with \
             `greenhouse init --landing {shown}`"
        ))),
    }
}

fn read_manifest(path: &Path, text: &str) -> Result<Manifest, Failure> {
    let shown = path.display();
    let json: Json = serde_json::from_str(text)
        .map_err(|error| Failure::Usage(format!("`{shown}` is not a manifest of greenhouse: {error}")))?;
    match json["greenhouse"].as_u64() {
        Some(form) if form <= FORM => {}
        found => {
            let found = found.map_or_else(|| "none".to_owned(), |form| form.to_string());
            return Err(Failure::Usage(format!(
                "`{shown}` has the form {found}; expected {FORM} or an earlier one: use the greenhouse that wrote it"
            )));
        }
    }
    serde_json::from_value(with_defaults(json))
        .map_err(|error| Failure::Usage(format!("`{shown}` is not a manifest of greenhouse: {error}")))
}

/// A manifest from before a key of the profile was there has that key's default.
fn with_defaults(mut manifest: Json) -> Json {
    if let Some(profile) = manifest.pointer_mut("/settings/profile") {
        let given = std::mem::take(profile);
        let mut whole = crate::profile::default_values();
        overlay(&mut whole, given);
        *profile = whole;
    }
    manifest
}

fn overlay(base: &mut Json, given: Json) {
    match (base, given) {
        (Json::Object(base), Json::Object(given)) => {
            for (key, value) in given {
                overlay(base.entry(key).or_insert(Json::Null), value);
            }
        }
        (base, given) => *base = given,
    }
}

/// One line of `dirt.ndjson`.
pub fn defect_line(defect: &crate::dirt::Defect) -> String {
    let mut line = Map::new();
    line.insert("table".to_owned(), json!(defect.table.name()));
    line.insert("file".to_owned(), json!(defect.file));
    line.insert("row".to_owned(), json!(defect.row));
    line.insert("key".to_owned(), Json::Object(defect.key.iter().cloned().collect()));
    line.insert("column".to_owned(), json!(defect.column));
    line.insert("kind".to_owned(), json!(defect.kind));
    line.insert("found".to_owned(), json!(defect.found));
    line.insert("clean".to_owned(), json!(defect.clean));
    Json::Object(line).to_string() + "\n"
}
