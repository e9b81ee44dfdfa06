//! The command line: what may be asked for, and what it means once it is checked.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::encode::Format;
use crate::failure::Failure;
use crate::ids::IdForm;
use crate::tables::Table;
use crate::time::{instant_text, parse_instant};

/// Makes the data of a plant shop: a first load, then buying journeys, batch after batch.
///
/// The same seed and options give the same bytes, whatever the number of threads. One folder per table,
/// `<landing>/<table>/batch-000001.csv`; what is not data goes to `<landing>/_greenhouse`: a manifest of each batch
/// with its rows, times and sums, and dirt.ndjson, which lists every injected defect with its clean value.
#[derive(Debug, Parser)]
#[command(name = "greenhouse", version, max_term_width = 100)]
pub struct CommandLine {
    /// What to make.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write the first load of a shop into an empty landing folder.
    Init(Init),
    /// Append a batch of buying journeys: each a new address, a new user, six events, one order with one item.
    Journey(Journey),
}

/// Options of both verbs.
#[derive(Debug, Args)]
pub struct Common {
    /// Folder with one folder for each table.
    #[arg(long, value_name = "DIR", default_value = "seeds/landing")]
    pub landing: PathBuf,

    /// Distributions and rates of defects: `clean`, `messy`, or a YAML file with the keys that differ from `clean`.
    /// A journey without this option takes those of the first load.
    #[arg(long, value_name = "clean|messy|FILE")]
    pub profile: Option<String>,

    /// Set one key of the profile, such as `orders.promo=0.25`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Print the profile with all its keys as YAML and do nothing else.
    #[arg(long)]
    pub print_profile: bool,

    /// Share of the sessions whose events and order are dated up to 30 days earlier than they are loaded.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub late: Option<f64>,

    /// Share of the events, orders and users that are written twice.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub duplicates: Option<f64>,

    /// Let the profile's rate of negative amounts apply.
    #[arg(long)]
    pub allow_negative: bool,

    /// From this batch on, one table has an additional column, lacks one, has its columns in another order, and writes
    /// whole numbers as decimals. Later batches keep to it.
    #[arg(long, value_name = "BATCH", value_parser = clap::value_parser!(u64).range(1..))]
    pub drift: Option<u64>,

    /// The table whose columns drift.
    #[arg(long, value_name = "TABLE", default_value = "order_items", hide_possible_values = true)]
    pub drift_table: Table,

    /// Cut the last line of this table's file in the middle; may be repeated. CSV and NDJSON only.
    #[arg(long, value_name = "TABLE", hide_possible_values = true)]
    pub torn: Vec<Table>,

    /// Add a file without any content to this table; may be repeated. CSV and NDJSON only.
    #[arg(long, value_name = "TABLE", hide_possible_values = true)]
    pub empty: Vec<Table>,

    /// Add a file with nothing but a header to this table; may be repeated. CSV only.
    #[arg(long, value_name = "TABLE", hide_possible_values = true)]
    pub header_only: Vec<Table>,

    /// Load time of the batch, such as 2025-01-31T06:00:00Z. For the first load: ten days after --end; for journeys:
    /// the present.
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    pub now: Option<i64>,

    /// Print the manifest as JSON to standard output.
    #[arg(long)]
    pub json: bool,
}

/// Options of `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Options of both verbs.
    #[command(flatten)]
    pub common: Common,

    /// Seed of all random choices.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// About how many events to make, such as 3553, 1M or 100M; `tiny` is 3553. The other tables follow.
    #[arg(long, value_name = "EVENTS", default_value = "tiny", value_parser = scale)]
    pub scale: u64,

    /// When the shop opens: an instant or a date. By default two years before --end.
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    pub start: Option<i64>,

    /// When the sessions end: an instant or a date. By default ten days before --now, or 2025-01-01.
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    pub end: Option<i64>,

    /// Time zone of the shop.
    #[arg(long, value_name = "ZONE", default_value = "America/Los_Angeles")]
    pub tz: String,

    /// Form of keys.
    #[arg(long, value_name = "FORM", default_value = "hex32")]
    pub ids: IdForm,

    /// How many products are sold, up to 10000.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub products: u64,

    /// How many promotions there are, up to 1000.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u64).range(0..=1000))]
    pub promos: u64,

    /// Exponent of Zipf's law for the choice of products: 0 is even, 1 and more is very uneven. By default the
    /// profile's, which is 0.2.
    #[arg(long, value_name = "EXPONENT", allow_negative_numbers = true)]
    pub skew: Option<f64>,

    /// Form of files.
    #[arg(long, default_value = "csv")]
    pub format: Format,

    /// Write all columns as text. CSV files always are.
    #[arg(long)]
    pub raw: bool,

    /// Names of columns in upper or lower case.
    #[arg(long, value_name = "CASE", default_value = "upper")]
    pub names: Case,

    /// Give each day of events a folder, `event_date=2024-01-31`. Parquet and Delta only.
    #[arg(long)]
    pub partition_by_date: bool,

    /// Begin another Parquet file after so many megabytes.
    #[arg(long, value_name = "MB", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub file_size: u64,

    /// Threads to use; by default one per processor. The rows do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
}

/// Options of `journey`.
#[derive(Debug, Args)]
pub struct Journey {
    /// Options of both verbs.
    #[command(flatten)]
    pub common: Common,

    /// How many journeys.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=4_000_000))]
    pub count: u64,

    /// Share of the journeys that are made by known users, without a new address and user.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub returning: f64,

    /// Share of the journeys without a checkout, so without an order.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub abandon: f64,

    /// How many known users change telephone and address of mail.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub update_users: u64,

    /// How many known addresses change.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub update_addresses: u64,

    /// How many open orders get further, from preparing to shipped or from shipped to delivered.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub advance_orders: u64,

    /// How many known users are deleted.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub delete_users: u64,
}

/// Upper or lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// `ORDER_ID`.
    Upper,
    /// `order_id`.
    Lower,
}

/// Shortest time of a shop, in days: sessions and clock changes need room.
const SHORTEST_DAYS: i64 = 7;

/// Most days that may have folders: the files of all days are open at once.
const MOST_DAY_FOLDERS: i64 = 900;

impl Init {
    /// The first instant of the shop, the last one of its sessions, and the load time.
    pub fn range(&self) -> Result<(i64, i64, i64), Failure> {
        let day = crate::time::DAY;
        let settling = crate::shop::SETTLING_DAYS * day;
        let now = self.common.now;
        let end = match (self.end, now) {
            (Some(end), _) => end,
            (None, Some(now)) => now - settling,
            (None, None) => parse_instant("2025-01-01").map_err(Failure::Usage)?,
        };
        let start = match self.start {
            Some(start) => start,
            None => two_years_before(end),
        };
        let now = now.unwrap_or(end + settling);
        let text = instant_text::text;
        if end - start < SHORTEST_DAYS * day {
            return Err(Failure::Usage(format!(
                "--start is {} and --end is {}; expected an end at least {SHORTEST_DAYS} days after the start",
                text(start),
                text(end)
            )));
        }
        let bounds = [start, end, now]
            .map(|instant| (parse_instant("1900-01-01").unwrap_or(0)..253_000_000_000).contains(&instant));
        if bounds.contains(&false) || (end - start) > 100 * 366 * day {
            return Err(Failure::Usage(format!(
                "--start is {} and --end is {}; expected years from 1900 to 9986, at most a hundred of them",
                text(start),
                text(end)
            )));
        }
        if now < end + settling {
            return Err(Failure::Usage(format!(
                "--now is {}; expected at least {}, {} days after --end, when all orders have been delivered",
                text(now),
                text(end + settling),
                crate::shop::SETTLING_DAYS
            )));
        }
        if self.partition_by_date && (end - start) / day > MOST_DAY_FOLDERS {
            return Err(Failure::Usage(format!(
                "--partition-by-date would make {} folders; expected at most {MOST_DAY_FOLDERS} days from --start to \
                 --end",
                (end - start) / day
            )));
        }
        Ok((start, end, now))
    }

    /// Refuses options that do not go together.
    pub fn check(&self) -> Result<(), Failure> {
        let refuse = |message: &str| Err(Failure::Usage(message.to_owned()));
        let is_columnar = matches!(self.format, Format::Parquet | Format::Delta);
        if self.partition_by_date && !is_columnar {
            return refuse("--partition-by-date needs --format parquet or delta");
        }
        if self.common.drift.is_some() && self.format == Format::Delta {
            return refuse("--drift cannot be had with --format delta: a Delta table has one schema");
        }
        if self.common.drift.is_some() && self.partition_by_date && self.common.drift_table == Table::Events {
            return refuse("--drift-table events cannot be had with --partition-by-date");
        }
        Ok(())
    }
}

impl Common {
    /// Refuses defects of files that a form of files cannot have.
    pub fn check_files(&self, format: Format) -> Result<(), Failure> {
        let is_text = matches!(format, Format::Csv | Format::Ndjson);
        let name = format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        if (!self.torn.is_empty() || !self.empty.is_empty()) && !is_text {
            return Err(Failure::Usage(format!("--torn and --empty need CSV or NDJSON; the files are {name}")));
        }
        if !self.header_only.is_empty() && format != Format::Csv {
            return Err(Failure::Usage(format!("--header-only needs CSV; the files are {name}")));
        }
        Ok(())
    }
}

fn two_years_before(instant: i64) -> i64 {
    use chrono::{DateTime, Months};
    let time = DateTime::from_timestamp(instant, 0).unwrap_or_default();
    time.checked_sub_months(Months::new(24)).unwrap_or_default().timestamp()
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("`{text}` is not a share; expected a number from 0 to 1")),
    }
}

/// Most events: so many that all numbers stay within their bits.
const MOST_EVENTS: f64 = 10e9;

fn scale(text: &str) -> Result<u64, String> {
    if text == "tiny" {
        return Ok(3553);
    }
    let expected = "expected a number of events such as 3553, 10k, 1M or 100M, or `tiny`";
    let upper = text.to_ascii_uppercase();
    let (digits, factor) = match upper.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if upper.ends_with('K') => (digits, 1e3),
        Some(digits) if upper.ends_with('M') => (digits, 1e6),
        Some(digits) => (digits, 1e9),
        None => (upper.as_str(), 1.0),
    };
    let events = digits.replace('_', "").parse::<f64>().map(|number| number * factor);
    match events {
        Ok(events) if (1.0..=MOST_EVENTS).contains(&events) => Ok(crate::numbers::count(events)),
        Ok(_) => Err(format!("`{text}` is not from 1 to 10G; {expected}")),
        Err(_) => Err(format!("`{text}` is not a scale; {expected}")),
    }
}
