//! The tables of the shop: names, columns, types, and what each column may suffer.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A table, in the order in which batches are put in place: a table comes after those that its keys refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Table {
    /// Where users live and orders go.
    Addresses,
    /// People with an account.
    Users,
    /// Plants on sale.
    Products,
    /// Promotions.
    Promos,
    /// Planned units of each product and month.
    Budget,
    /// Orders.
    Orders,
    /// Products of orders.
    OrderItems,
    /// What visitors do.
    Events,
}

/// All tables, in order.
pub const TABLES: [Table; 8] = [
    Table::Addresses,
    Table::Users,
    Table::Products,
    Table::Promos,
    Table::Budget,
    Table::Orders,
    Table::OrderItems,
    Table::Events,
];

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A key in the chosen form.
    Id,
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// US dollars with two digits.
    Money,
    /// A time with its offset.
    Instant,
    /// A time without offset, on the clock of the shop's zone.
    Wall,
    /// A date.
    Date,
    /// Yes or no.
    Flag,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Name in lower case.
    pub name: &'static str,
    /// Meaning.
    pub kind: Kind,
    /// Whether the messy profile may leave it out.
    pub may_be_empty: bool,
    /// Whether the messy profile may disfigure its text.
    pub is_free_text: bool,
    /// Whether the option for negative amounts applies.
    pub may_be_negative: bool,
}

/// The column that says when a row was loaded; the last one of each table.
pub const SYNCED: &str = "_fivetran_synced";

/// The column that says that a thing was deleted.
pub const DELETED: &str = "_fivetran_deleted";

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, may_be_empty: false, is_free_text: false, may_be_negative: false }
}

const fn optional(name: &'static str, kind: Kind) -> Column {
    Column { may_be_empty: true, ..column(name, kind) }
}

const fn free(name: &'static str) -> Column {
    Column { is_free_text: true, ..column(name, Kind::Text) }
}

const fn amount(name: &'static str, kind: Kind) -> Column {
    Column { may_be_negative: true, ..column(name, kind) }
}

const ADDRESSES: [Column; 7] = [
    column("address_id", Kind::Id),
    column("zipcode", Kind::Text),
    column("country", Kind::Text),
    free("address"),
    free("state"),
    column(DELETED, Kind::Flag),
    column(SYNCED, Kind::Instant),
];

const USERS: [Column; 11] = [
    column("user_id", Kind::Id),
    column("updated_at", Kind::Instant),
    column("address_id", Kind::Id),
    free("last_name"),
    column("created_at", Kind::Instant),
    optional("phone_number", Kind::Text),
    column("total_orders", Kind::Int),
    free("first_name"),
    Column { is_free_text: true, ..optional("email", Kind::Text) },
    column(DELETED, Kind::Flag),
    column(SYNCED, Kind::Instant),
];

const PRODUCTS: [Column; 6] = [
    column("product_id", Kind::Id),
    amount("price", Kind::Money),
    free("name"),
    column("inventory", Kind::Int),
    column(DELETED, Kind::Flag),
    column(SYNCED, Kind::Instant),
];

const PROMOS: [Column; 5] = [
    column("promo_id", Kind::Text),
    column("discount", Kind::Int),
    column("status", Kind::Text),
    column(DELETED, Kind::Flag),
    column(SYNCED, Kind::Instant),
];

const BUDGET: [Column; 5] = [
    column("_row", Kind::Int),
    column("product_id", Kind::Id),
    column("month", Kind::Date),
    column("quantity", Kind::Int),
    column(SYNCED, Kind::Instant),
];

const ORDERS: [Column; 15] = [
    column("order_id", Kind::Id),
    optional("shipping_service", Kind::Text),
    amount("shipping_cost", Kind::Money),
    column("address_id", Kind::Id),
    column("created_at", Kind::Instant),
    optional("promo_id", Kind::Text),
    optional("estimated_delivery_at", Kind::Instant),
    amount("order_cost", Kind::Money),
    column("user_id", Kind::Id),
    column("order_total", Kind::Money),
    optional("delivered_at", Kind::Instant),
    optional("tracking_id", Kind::Id),
    column("status", Kind::Text),
    column(DELETED, Kind::Flag),
    column(SYNCED, Kind::Instant),
];

const ORDER_ITEMS: [Column; 5] = [
    column("order_id", Kind::Id),
    column("product_id", Kind::Id),
    amount("quantity", Kind::Int),
    column(DELETED, Kind::Flag),
    column(SYNCED, Kind::Instant),
];

const EVENTS: [Column; 10] = [
    column("event_id", Kind::Id),
    column("page_url", Kind::Text),
    column("event_type", Kind::Text),
    column("user_id", Kind::Id),
    column("product_id", Kind::Id),
    column("session_id", Kind::Id),
    column("created_at", Kind::Wall),
    column("order_id", Kind::Id),
    column(DELETED, Kind::Flag),
    column(SYNCED, Kind::Instant),
];

impl Table {
    /// The folder of the table, and its name everywhere else.
    pub fn name(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::Users => "users",
            Self::Products => "products",
            Self::Promos => "promos",
            Self::Budget => "budget",
            Self::Orders => "orders",
            Self::OrderItems => "order_items",
            Self::Events => "events",
        }
    }

    /// The columns, in order.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Addresses => &ADDRESSES,
            Self::Users => &USERS,
            Self::Products => &PRODUCTS,
            Self::Promos => &PROMOS,
            Self::Budget => &BUDGET,
            Self::Orders => &ORDERS,
            Self::OrderItems => &ORDER_ITEMS,
            Self::Events => &EVENTS,
        }
    }

    /// The names of the columns that tell one thing of the table from another.
    pub fn key(self) -> &'static [&'static str] {
        match self {
            Self::Addresses => &["address_id"],
            Self::Users => &["user_id"],
            Self::Products => &["product_id"],
            Self::Promos => &["promo_id"],
            Self::Budget => &["_row"],
            Self::Orders => &["order_id"],
            Self::OrderItems => &["order_id", "product_id"],
            Self::Events => &["event_id"],
        }
    }

    /// The position of a column.
    pub fn position(self, name: &str) -> Option<usize> {
        self.columns().iter().position(|column| column.name == name)
    }
}

/// How values and names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// Whether all columns are text.
    pub raw: bool,
    /// Whether the names of columns are in lower case.
    pub lower: bool,
    /// Whether keys are numbers, where columns have types.
    pub numeric_ids: bool,
}

/// The Arrow schema of a table. All columns are nullable.
pub fn schema(table: Table, form: Form) -> SchemaRef {
    let fields = table.columns().iter().map(|column| {
        let name = if form.lower { column.name.to_owned() } else { column.name.to_uppercase() };
        Field::new(name, data_type(column.kind, form), true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn data_type(kind: Kind, form: Form) -> DataType {
    match kind {
        _ if form.raw => DataType::Utf8,
        Kind::Id if form.numeric_ids => DataType::Int64,
        Kind::Id | Kind::Text => DataType::Utf8,
        Kind::Int => DataType::Int64,
        Kind::Money => DataType::Decimal128(8, 2),
        Kind::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Wall => DataType::Timestamp(TimeUnit::Microsecond, None),
        Kind::Date => DataType::Date32,
        Kind::Flag => DataType::Boolean,
    }
}
