//! Defects: what real sources do to good rows. Each one is told, with the value that would have been good, so that a
//! test can ask whether a warehouse copes.
//!
//! Rows have their defects as texts; columns with types then keep those that a type can hold. Which rows are hit
//! follows from their numbers, never from their place or thread.

use arrow::array::{Array as _, AsArray as _, RecordBatch, StringArray};
use arrow::error::ArrowError;
use serde_json::{Value as Json, json};

use crate::columns::{Chunk, Rows};
use crate::encode::{Format, refused};
use crate::failure::Failure;
use crate::ids::{EVENT_BITS, Entity};
use crate::numbers::{index, rounded};
use crate::profile::Dirt;
use crate::random::{Purpose, Stream};
use crate::shop::Shop;
use crate::spoil;
use crate::tables::{Column, Form, Kind, SYNCED, Table};
use crate::time::{DAY, Written, parse_wall};

/// A defect, as `dirt.ndjson` tells it.
#[derive(Debug, Clone)]
pub struct Defect {
    /// The table.
    pub table: Table,
    /// Path of the file below the landing folder; none if the rows went to several files.
    pub file: Option<String>,
    /// Number of the row in its file, from 1, without the header; none if the defect is the file's.
    pub row: Option<u64>,
    /// The row's key, without defects.
    pub key: Vec<(String, Json)>,
    /// The column; none if the defect is the row's or the file's.
    pub column: Option<&'static str>,
    /// What was done.
    pub kind: &'static str,
    /// The value as written.
    pub found: Option<String>,
    /// The value without the defect; of rows that should not be there, none.
    pub clean: Option<String>,
}

impl Defect {
    /// A defect of a whole file.
    pub fn of_file(table: Table, file: String, kind: &'static str, clean: Option<String>) -> Self {
        Self { table, file: Some(file), row: None, key: Vec::new(), column: None, kind, found: None, clean }
    }
}

/// Adds the defects of a profile.
#[derive(Debug, Clone)]
pub struct Spoiler {
    dirt: Dirt,
    batch: u64,
}

/// A row whose cells may get defects, each at most one.
struct Row {
    table: Table,
    cells: Vec<Option<String>>,
    /// Position and kind of the defects.
    spoiled: Vec<(usize, &'static str)>,
}

impl Row {
    fn is_sound(&self, place: usize) -> bool {
        self.spoiled.iter().all(|(spoiled, _)| *spoiled != place)
    }

    /// Changes a cell, unless it has a defect or stays as it is.
    fn spoil(&mut self, place: usize, kind: &'static str, value: Option<String>) {
        if self.is_sound(place) && self.cells[place] != value {
            self.cells[place] = value;
            self.spoiled.push((place, kind));
        }
    }

    fn text(&self, place: usize) -> Option<&str> {
        self.cells[place].as_deref()
    }
}

impl Spoiler {
    /// The defects of a batch.
    pub fn new(dirt: &Dirt, allow_negative: bool, batch: u64) -> Self {
        let negative = if allow_negative { dirt.negative } else { 0.0 };
        Self { dirt: Dirt { negative, ..dirt.clone() }, batch }
    }

    /// Whether rows can have defects at all.
    pub fn is_active(&self) -> bool {
        self.dirt.touches_rows()
    }

    /// What comes before a CSV file's header, and the kinds of these defects.
    pub fn preamble(&self, shop: &Shop, table: Table, format: Format) -> (Vec<u8>, Vec<&'static str>) {
        let mut stream = shop.seeds.stream(Purpose::Files, self.batch << 8 | table as u64);
        let (mark, blank) = (stream.chance(self.dirt.byte_order_mark), stream.chance(self.dirt.blank_first_line));
        let (mut bytes, mut kinds) = (Vec::new(), Vec::new());
        if mark && format == Format::Csv {
            bytes.extend_from_slice("\u{feff}".as_bytes());
            kinds.push("byte_order_mark");
        }
        if blank && format == Format::Csv {
            bytes.push(b'\n');
            kinds.push("blank_first_line");
        }
        (bytes, kinds)
    }

    /// Gives rows their defects and the form of their columns.
    pub fn spoil(
        &self,
        shop: &Shop,
        chunk: Chunk,
        form: Form,
        is_first: bool,
        defects: &mut Vec<Defect>,
    ) -> Result<Chunk, Failure> {
        let table = chunk.table;
        let columns: Vec<&StringArray> =
            chunk.batch.columns().iter().filter_map(|column| column.as_string_opt::<i32>()).collect();
        let mut written: Vec<Vec<Option<String>>> = Vec::with_capacity(chunk.batch.num_rows());
        let mut turns = if is_first { self.clock_changes(shop, table) } else { Vec::new() };
        turns.reverse();
        for (place, number) in chunk.numbers.iter().enumerate() {
            let value = |column: &&StringArray| column.is_valid(place).then(|| column.value(place).to_owned());
            let clean: Vec<Option<String>> = columns.iter().map(value).collect();
            let mut row = Row { table, cells: clean.clone(), spoiled: Vec::new() };
            let mixed = number.wrapping_add(self.batch.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut stream = shop.seeds.dirt(table as u8, mixed);
            if let (Some((kind, wall)), Some(place)) = (turns.pop(), table.position("created_at")) {
                row.spoil(place, kind, Some(Written { wall, offset: None }.to_string()));
            }
            self.late(shop, &mut row, *number);
            self.spoil_keys(shop, &mut row, mixed, &mut stream);
            self.spoil_row(&mut row, &mut stream);
            for (place, column) in table.columns().iter().enumerate() {
                self.spoil_cell(shop, &mut row, place, column, form, &mut stream);
            }
            let key = key_of(table, &clean);
            let first = written.len() as u64 + 1;
            let defect = |row, column, kind, found: Option<String>, clean: Option<String>| Defect {
                table,
                file: None,
                row: Some(row),
                key: key.clone(),
                column,
                kind,
                found,
                clean,
            };
            for (place, kind) in &row.spoiled {
                let column = Some(table.columns()[*place].name);
                defects.push(defect(first, column, kind, row.cells[*place].clone(), clean[*place].clone()));
            }
            let cells = row.cells;
            let is_doubled = may_be_repeated(table) && stream.chance(self.dirt.duplicate);
            let has_newer = may_be_repeated(table) && stream.chance(self.dirt.newer_version);
            let newer = if has_newer { newer_version(table, &clean, &mut stream) } else { None };
            if is_doubled {
                written.push(cells.clone());
            }
            written.push(cells);
            if is_doubled {
                defects.push(defect(written.len() as u64, None, "duplicate", None, None));
            }
            if let Some(newer) = newer {
                written.push(newer);
                defects.push(defect(written.len() as u64, None, "newer_version", None, None));
            }
        }
        let batch = rebuild(shop, table, &written, form).map_err(refused(table))?;
        Ok(Chunk { batch, ..chunk })
    }

    /// Wall times that the first events get: two that occur twice or never for each change of the clock.
    fn clock_changes(&self, shop: &Shop, table: Table) -> Vec<(&'static str, i64)> {
        let settings = &shop.settings;
        if table != Table::Events || !self.dirt.clock_changes || self.batch != 1 {
            return Vec::new();
        }
        let turns = shop.zone.turns().filter(|(turn, _)| (settings.start..settings.end).contains(turn));
        let times = turns.flat_map(|(turn, change)| {
            // Put back, the clock shows the last hour again; put forward, it leaves the next one out.
            let first = shop.zone.wall(turn) - change.max(0);
            let kind = if change < 0 { "ambiguous_wall_time" } else { "skipped_wall_time" };
            [600, 1800].map(|second| (kind, first + second.min(change.abs() - 1)))
        });
        times.collect()
    }

    /// Moves what a session did to an earlier time, while its load time stays.
    fn late(&self, shop: &Shop, row: &mut Row, number: u64) {
        let session = match row.table {
            Table::Events => number >> EVENT_BITS,
            Table::Orders => number,
            _ => return,
        };
        let mut stream = shop.seeds.stream(Purpose::Late, session);
        if !stream.chance(self.dirt.late) {
            return;
        }
        let earlier = stream.between(60, rounded(self.dirt.late_days * 86_400.0).max(61));
        let Some(place) = row.table.position("created_at") else { return };
        let moved = row.text(place).and_then(|text| spoil::instant(&shop.zone, text)).map(|instant| {
            let written = shop.zone.local(instant - earlier);
            let offset = written.offset.filter(|_| row.table == Table::Orders);
            Written { offset, ..written }.to_string()
        });
        row.spoil(place, "late", moved);
    }

    /// Keys of things that are nowhere.
    fn spoil_keys(&self, shop: &Shop, row: &mut Row, mixed: u64, stream: &mut Stream) {
        let names: &[&str] = match row.table {
            Table::OrderItems => &["product_id", "order_id"],
            Table::Events => &["user_id", "product_id", "order_id"],
            _ => return,
        };
        if !stream.chance(self.dirt.orphan) {
            return;
        }
        let places = names.iter().filter_map(|name| row.table.position(name));
        let places: Vec<usize> = places.filter(|place| row.text(*place).is_some()).collect();
        let place = *stream.pick(&places);
        let nothing = shop.keys.id(Entity::Nothing, mixed & (u64::MAX >> 1));
        row.spoil(place, "orphan", Some(nothing.text().to_owned()));
    }

    /// Defects that only some tables have.
    fn spoil_row(&self, row: &mut Row, stream: &mut Stream) {
        if row.table == Table::Orders && stream.chance(self.dirt.arithmetic) {
            let by = if stream.chance(0.5) { 1 } else { -1 };
            if let Some(place) = row.table.position("order_total") {
                let total = row.text(place).and_then(spoil::cents).map(|cents| spoil::dollars(cents + by));
                row.spoil(place, "arithmetic", total);
            }
        }
        if row.table == Table::Events && stream.chance(self.dirt.future) {
            let later = stream.between(30, 3650) * DAY;
            if let Some(place) = row.table.position("created_at") {
                let wall = row.text(place).and_then(parse_wall);
                let moved = wall.map(|wall| Written { wall: wall + later, offset: None }.to_string());
                row.spoil(place, "future", moved);
            }
        }
    }

    fn spoil_cell(&self, shop: &Shop, row: &mut Row, place: usize, column: &Column, form: Form, stream: &mut Stream) {
        let dirt = &self.dirt;
        if column.may_be_empty && stream.chance(dirt.empty) {
            let holds_empty = form.raw || column.kind == Kind::Text;
            match row.text(place) {
                Some(_) => row.spoil(place, "null", None),
                None if holds_empty => row.spoil(place, "empty_text", Some(String::new())),
                None => {}
            }
        }
        if column.may_be_negative && stream.chance(dirt.negative) {
            let negative = row.text(place).filter(|text| !text.starts_with('-')).map(|text| format!("-{text}"));
            row.spoil(place, "negative", negative);
        }
        let is_amount = column.kind == Kind::Money || matches!(column.name, "quantity" | "inventory");
        if is_amount && stream.chance(dirt.bad_cast) {
            let variant = index(stream.below(5));
            if let Some(text) = row.text(place).filter(|_| form.raw) {
                let value = spoil::bad_cast(text, variant);
                row.spoil(place, "bad_cast", Some(value));
            }
        }
        if matches!(column.kind, Kind::Instant | Kind::Wall) && stream.chance(dirt.time_format) {
            let variant = index(stream.below(6));
            if let Some(text) = row.text(place).filter(|_| form.raw)
                && let Some((kind, value)) = spoil::time_format(&shop.zone, text, column.kind, variant)
            {
                row.spoil(place, kind, Some(value));
            }
        }
        if column.is_free_text && stream.chance(dirt.text) {
            let variant = index(stream.below(7));
            if let Some((kind, value)) = row.text(place).and_then(|text| spoil::free_text(text, column.name, variant)) {
                row.spoil(place, kind, Some(value));
            }
        }
    }
}

/// Whether rows of a table may come twice.
fn may_be_repeated(table: Table) -> bool {
    matches!(table, Table::Events | Table::Orders | Table::Users)
}

/// A further version of a row: loaded later, with another value of one column.
fn newer_version(table: Table, clean: &[Option<String>], stream: &mut Stream) -> Option<Vec<Option<String>>> {
    let later = stream.between(1, 3600);
    let name = match table {
        Table::Users => "phone_number",
        Table::Orders => "shipping_service",
        _ => "page_url",
    };
    let place = table.position(name)?;
    let former = clean[place].as_deref()?;
    let value = match table {
        Table::Users => format!("{}{:04}", &former[..former.len().min(9)], stream.below(10_000)),
        Table::Orders => {
            let other: Vec<&str> = crate::visit::SERVICES.into_iter().filter(|service| *service != former).collect();
            (*stream.pick(&other)).to_owned()
        }
        _ => format!("{former}?ref=mail"),
    };
    let synced = table.position(SYNCED)?;
    let loaded = clean[synced].as_deref().and_then(|text| parse_wall(text.get(..19)?))?;
    let mut cells = clean.to_vec();
    cells[place] = Some(value);
    cells[synced] = Some(Written::utc(loaded + later).to_string());
    Some(cells)
}

fn key_of(table: Table, clean: &[Option<String>]) -> Vec<(String, Json)> {
    let value = |name: &&str| {
        let place = table.position(name)?;
        Some(((*name).to_owned(), json!(clean[place])))
    };
    table.key().iter().filter_map(value).collect()
}

/// Rows in the form of their columns. A typed column has only texts of its type.
fn rebuild(shop: &Shop, table: Table, rows: &[Vec<Option<String>>], form: Form) -> Result<RecordBatch, ArrowError> {
    let mut built = Rows::new(table, form);
    for row in rows {
        built.row(0);
        for (cell, column) in row.iter().zip(table.columns()) {
            let Some(text) = cell else {
                built.null();
                continue;
            };
            if form.raw {
                built.text(text);
                continue;
            }
            match column.kind {
                Kind::Id if form.numeric_ids => built.int_or_null(text.parse().ok()),
                Kind::Id | Kind::Text => built.text(text),
                Kind::Int => built.int_or_null(text.parse().ok()),
                Kind::Money => match spoil::cents(text) {
                    Some(cents) => built.money(cents),
                    None => built.null(),
                },
                Kind::Instant => match spoil::instant(&shop.zone, text) {
                    Some(instant) => built.instant(instant, None),
                    None => built.null(),
                },
                Kind::Wall => match parse_wall(text) {
                    Some(wall) => built.wall_time(wall),
                    None => built.null(),
                },
                Kind::Date => match parse_wall(&format!("{text} 00:00:00")) {
                    Some(wall) => built.date(wall.div_euclid(DAY)),
                    None => built.null(),
                },
                Kind::Flag => built.flag(text == "true"),
            };
        }
    }
    Ok(built.finish()?.batch)
}
