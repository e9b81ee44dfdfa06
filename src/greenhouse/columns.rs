//! Rows become Arrow arrays here, cell by cell in the order of the columns, as text or with types.

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::error::ArrowError;
use std::io::Write as _;
use std::sync::Arc;

use crate::ids::Id;
use crate::tables::{Form, Kind, Table, schema};
use crate::time::{DAY, Written, Zone};

/// What a run adds up about a table, for its manifest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows.
    pub rows: u64,
    /// Earliest and latest time: of creation where the table has one, otherwise of loading.
    pub times: Option<(i64, i64)>,
    /// Sum of the column `quantity`.
    pub quantity: i64,
    /// Sum of the column `order_total`, in cents.
    pub total_cents: i64,
}

impl Tally {
    /// Takes in a time.
    pub fn time(&mut self, instant: i64) {
        let (first, last) = self.times.unwrap_or((instant, instant));
        self.times = Some((first.min(instant), last.max(instant)));
    }

    /// Takes in another tally.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.quantity += other.quantity;
        self.total_cents += other.total_cents;
        if let Some((first, last)) = other.times {
            self.time(first);
            self.time(last);
        }
    }
}

enum Cells {
    Text(StringBuilder),
    Int(Int64Builder),
    Money(Decimal128Builder),
    Time(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Flag(BooleanBuilder),
}

/// The growing columns of a table.
pub struct Rows {
    /// The table.
    pub table: Table,
    /// What was added up.
    pub tally: Tally,
    /// The number of each row's thing, which decides the row's defects.
    pub numbers: Vec<u64>,
    form: Form,
    columns: Vec<Cells>,
    cursor: usize,
}

/// Finished rows.
pub struct Chunk {
    /// The table.
    pub table: Table,
    /// The columns.
    pub batch: RecordBatch,
    /// The number of each row's thing.
    pub numbers: Vec<u64>,
    /// What was added up.
    pub tally: Tally,
}

impl Rows {
    /// No rows yet of a table.
    pub fn new(table: Table, form: Form) -> Self {
        let cells = |kind| match kind {
            _ if form.raw => Cells::Text(StringBuilder::new()),
            Kind::Id if form.numeric_ids => Cells::Int(Int64Builder::new()),
            Kind::Id | Kind::Text => Cells::Text(StringBuilder::new()),
            Kind::Int => Cells::Int(Int64Builder::new()),
            Kind::Money => Cells::Money(Decimal128Builder::new()),
            Kind::Instant | Kind::Wall => Cells::Time(TimestampMicrosecondBuilder::new()),
            Kind::Date => Cells::Date(Date32Builder::new()),
            Kind::Flag => Cells::Flag(BooleanBuilder::new()),
        };
        let columns = table.columns().iter().map(|column| cells(column.kind)).collect();
        Self { table, tally: Tally::default(), numbers: Vec::new(), form, columns, cursor: 0 }
    }

    /// Begins a row; its cells follow in the order of the columns.
    pub fn row(&mut self, number: u64) -> &mut Self {
        self.numbers.push(number);
        self.tally.rows += 1;
        self.cursor = 0;
        self
    }

    fn next(&mut self) -> &mut Cells {
        self.cursor += 1;
        &mut self.columns[self.cursor - 1]
    }

    /// A key.
    pub fn id(&mut self, id: &Id) -> &mut Self {
        match self.next() {
            Cells::Int(cells) => cells.append_value(id.value),
            Cells::Text(cells) => cells.append_value(id.text()),
            _ => {}
        }
        self
    }

    /// A text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        if let Cells::Text(cells) = self.next() {
            cells.append_value(text);
        }
        self
    }

    /// Nothing.
    pub fn null(&mut self) -> &mut Self {
        match self.next() {
            Cells::Text(cells) => cells.append_null(),
            Cells::Int(cells) => cells.append_null(),
            Cells::Money(cells) => cells.append_null(),
            Cells::Time(cells) => cells.append_null(),
            Cells::Date(cells) => cells.append_null(),
            Cells::Flag(cells) => cells.append_null(),
        }
        self
    }

    /// A whole number.
    pub fn int(&mut self, number: i64) -> &mut Self {
        match self.next() {
            Cells::Int(cells) => cells.append_value(number),
            Cells::Text(cells) => append_written(cells, format_args!("{number}")),
            _ => {}
        }
        self
    }

    /// A whole number, or nothing.
    pub fn int_or_null(&mut self, number: Option<i64>) -> &mut Self {
        match number {
            Some(number) => self.int(number),
            None => self.null(),
        }
    }

    /// An amount in cents.
    pub fn money(&mut self, cents: i64) -> &mut Self {
        match self.next() {
            Cells::Money(cells) => cells.append_value(i128::from(cents)),
            Cells::Text(cells) => append_written(cells, format_args!("{}", dollars(cents))),
            _ => {}
        }
        self
    }

    /// An instant, written with the offset of a zone, or in UTC without a zone.
    pub fn instant(&mut self, instant: i64, zone: Option<&Zone>) -> &mut Self {
        match self.next() {
            Cells::Time(cells) => cells.append_value(instant * 1_000_000),
            Cells::Text(cells) => {
                let written = zone.map_or_else(|| Written::utc(instant), |zone| zone.local(instant));
                cells.append_value(written.put(&mut [0; 25]));
            }
            _ => {}
        }
        self
    }

    /// A time on the clock of a zone, without offset.
    pub fn wall(&mut self, instant: i64, zone: &Zone) -> &mut Self {
        self.wall_time(zone.wall(instant))
    }

    /// A time without offset.
    pub fn wall_time(&mut self, wall: i64) -> &mut Self {
        match self.next() {
            Cells::Time(cells) => cells.append_value(wall * 1_000_000),
            Cells::Text(cells) => cells.append_value(Written { wall, offset: None }.put(&mut [0; 25])),
            _ => {}
        }
        self
    }

    /// A date, as days since 1970.
    pub fn date(&mut self, days: i64) -> &mut Self {
        match self.next() {
            Cells::Date(cells) => cells.append_value(i32::try_from(days).unwrap_or(0)),
            Cells::Text(cells) => {
                cells.append_value(&Written { wall: days * DAY, offset: None }.put(&mut [0; 25])[..10]);
            }
            _ => {}
        }
        self
    }

    /// True, or nothing: what the shop's loader writes about deletion.
    pub fn flag(&mut self, is_set: bool) -> &mut Self {
        if !is_set {
            return self.null();
        }
        match self.next() {
            Cells::Flag(cells) => cells.append_value(true),
            Cells::Text(cells) => cells.append_value("true"),
            _ => {}
        }
        self
    }

    /// The rows as a batch.
    pub fn finish(self) -> Result<Chunk, ArrowError> {
        let arrays: Vec<ArrayRef> = self
            .columns
            .into_iter()
            .zip(self.table.columns())
            .map(|(cells, column)| -> ArrayRef {
                match cells {
                    Cells::Text(mut cells) => Arc::new(cells.finish()),
                    Cells::Int(mut cells) => Arc::new(cells.finish()),
                    Cells::Money(mut cells) => {
                        Arc::new(cells.finish().with_data_type(arrow::datatypes::DataType::Decimal128(8, 2)))
                    }
                    Cells::Time(mut cells) if column.kind == Kind::Instant => {
                        Arc::new(cells.finish().with_timezone("UTC"))
                    }
                    Cells::Time(mut cells) => Arc::new(cells.finish()),
                    Cells::Date(mut cells) => Arc::new(cells.finish()),
                    Cells::Flag(mut cells) => Arc::new(cells.finish()),
                }
            })
            .collect();
        let batch = RecordBatch::try_new(schema(self.table, self.form), arrays)?;
        Ok(Chunk { table: self.table, batch, numbers: self.numbers, tally: self.tally })
    }
}

/// Appends what is formatted, without a text in between.
fn append_written(cells: &mut StringBuilder, arguments: std::fmt::Arguments<'_>) {
    let mut text = [0; 32];
    let mut rest = &mut text[..];
    let written = rest.write_fmt(arguments).is_ok();
    let length = 32 - rest.len();
    cells.append_option(written.then(|| std::str::from_utf8(&text[..length]).unwrap_or_default()));
}

/// An amount in cents as dollars, such as `31.50`.
pub fn dollars(cents: i64) -> impl std::fmt::Display {
    std::fmt::from_fn(move |formatter| {
        let sign = if cents < 0 { "-" } else { "" };
        let cents = cents.unsigned_abs();
        write!(formatter, "{sign}{}.{:02}", cents / 100, cents % 100)
    })
}
