//! dbt's semantic layer: models of meaning over models of data, metrics, and queries over metrics that are kept.
//!
//! karat describes them and answers nothing with them: there is no query engine for metrics here. Texts are as dbt has
//! them in its manifest; both forms of dbt 1.12 become the same nouns (its classes in `artifacts/resources/v1`).

use indexmap::IndexMap;
use serde_json::Value;

use crate::base::source::Location;

/// A closed list of words of dbt.
pub trait Word: Copy + 'static {
    /// All of them, in the order of messages.
    const ALL: &'static [Self];

    /// dbt's word.
    fn as_str(self) -> &'static str;

    /// The value of a word, whose case does not matter.
    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|word| word.as_str().eq_ignore_ascii_case(text))
    }
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident: $($(#[$meaning:meta])* $variant:ident = $word:literal),+) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$meaning])* $variant),+
        }

        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}

words! {
    /// How rows become one number.
    Aggregation:
    /// The sum.
    Sum = "sum",
    /// The smallest value.
    Min = "min",
    /// The largest value.
    Max = "max",
    /// The number of different values.
    CountDistinct = "count_distinct",
    /// The number of rows for which something holds.
    SumBoolean = "sum_boolean",
    /// The mean.
    Average = "average",
    /// A percentile.
    Percentile = "percentile",
    /// The median.
    Median = "median",
    /// The number of values.
    Count = "count"
}

words! {
    /// What a dimension tells apart.
    DimensionKind:
    /// Values of a list.
    Categorical = "categorical",
    /// Points in time.
    Time = "time"
}

words! {
    /// What an entity is to the rows of its model.
    EntityKind:
    /// A key of other rows.
    Foreign = "foreign",
    /// A key of things that change with time.
    Natural = "natural",
    /// The key of each row.
    Primary = "primary",
    /// A key that each row may have.
    Unique = "unique"
}

words! {
    /// How finely time is told, from the finest.
    Granularity:
    /// A nanosecond.
    Nanosecond = "nanosecond",
    /// A microsecond.
    Microsecond = "microsecond",
    /// A millisecond.
    Millisecond = "millisecond",
    /// A second.
    Second = "second",
    /// A minute.
    Minute = "minute",
    /// An hour.
    Hour = "hour",
    /// A day.
    Day = "day",
    /// A week.
    Week = "week",
    /// A month.
    Month = "month",
    /// A quarter.
    Quarter = "quarter",
    /// A year.
    Year = "year"
}

words! {
    /// What a metric is made of.
    MetricKind:
    /// One aggregation of rows.
    Simple = "simple",
    /// A metric over another one.
    Ratio = "ratio",
    /// What adds up over time.
    Cumulative = "cumulative",
    /// An expression over metrics.
    Derived = "derived",
    /// How many of those who did one thing did another.
    Conversion = "conversion"
}

words! {
    /// Which value of a period stands for it.
    PeriodAggregation:
    /// The first.
    First = "first",
    /// The last.
    Last = "last",
    /// The mean.
    Average = "average"
}

words! {
    /// What a conversion metric gives.
    ConversionCalculation:
    /// How many converted.
    Conversions = "conversions",
    /// The share of those who converted.
    ConversionRate = "conversion_rate"
}

words! {
    /// How a kept query would be exported.
    ExportKind:
    /// As a table.
    Table = "table",
    /// As a view.
    View = "view"
}

/// The name of something that is described elsewhere.
#[derive(Debug, Clone)]
pub struct Named {
    /// The name.
    pub name: String,
    /// Where it is written.
    pub location: Location,
}

/// One `metric()` of an exposure, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricCall {
    /// Package, if two arguments were given.
    pub package: Option<String>,
    /// Name of the metric.
    pub name: String,
    /// Where it was written.
    pub location: Location,
}

/// What only semantic models have.
#[derive(Debug, Clone)]
pub struct SemanticModel {
    /// The model as written, such as `ref('orders')`.
    pub model: String,
    /// Whether it is written with its model: the newer form, where a description is never null.
    pub of_model: bool,
    /// Title for people.
    pub label: Option<String>,
    /// `defaults`, if they are there.
    pub defaults: Option<Defaults>,
    /// The entity that a row is about, where none of the entities is.
    pub primary_entity: Option<String>,
    /// What joins lead by.
    pub entities: Vec<Entity>,
    /// What rows are grouped by.
    pub dimensions: Vec<Dimension>,
    /// What is aggregated; only the older form has them.
    pub measures: Vec<Measure>,
}

/// What holds for all of a semantic model.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The time by which its measures are aggregated.
    pub agg_time_dimension: Option<Named>,
}

/// What all parts of a semantic model have.
#[derive(Debug, Clone)]
pub struct Element {
    /// Name.
    pub name: String,
    /// Where the name is written.
    pub location: Location,
    /// Description with `doc()` resolved.
    pub description: Option<String>,
    /// Title for people.
    pub label: Option<String>,
    /// SQL, if the element is not the column of its name.
    pub expr: Option<String>,
    /// Free metadata; those of the semantic model are under them.
    pub meta: IndexMap<String, Value>,
}

/// An entity.
#[derive(Debug, Clone)]
pub struct Entity {
    /// What all parts have.
    pub element: Element,
    /// What it is to the rows.
    pub kind: EntityKind,
    /// Another name that it goes by.
    pub role: Option<String>,
}

/// A dimension.
#[derive(Debug, Clone)]
pub struct Dimension {
    /// What all parts have.
    pub element: Element,
    /// What it tells apart.
    pub kind: DimensionKind,
    /// Whether the table is partitioned by it.
    pub is_partition: bool,
    /// What a dimension of time has.
    pub time: Option<DimensionTime>,
}

/// How a dimension tells time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DimensionTime {
    /// How finely.
    pub granularity: Granularity,
    /// Whether it begins or ends the time in which a row holds.
    pub validity: Option<Validity>,
}

/// Which end of a row's validity a time is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Validity {
    /// Its beginning.
    pub is_start: bool,
    /// Its end.
    pub is_end: bool,
}

/// A measure.
#[derive(Debug, Clone)]
pub struct Measure {
    /// What all parts have.
    pub element: Element,
    /// How rows are aggregated.
    pub aggregation: Aggregation,
    /// Which percentile.
    pub percentile: Option<Percentile>,
    /// The dimension over which it does not add up.
    pub non_additive: Option<NonAdditive>,
    /// The time by which it is aggregated.
    pub agg_time_dimension: Option<Named>,
    /// Whether there is a metric of it by its own name.
    pub makes_metric: bool,
}

/// Which percentile an aggregation gives, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Percentile {
    /// Which, from 0 to 1.
    pub share: Option<f64>,
    /// Whether it is one of the values.
    pub is_discrete: bool,
    /// Whether it may be an estimate.
    pub is_approximate: bool,
}

/// A dimension over which something does not add up.
#[derive(Debug, Clone)]
pub struct NonAdditive {
    /// Name of the dimension.
    pub dimension: Named,
    /// Which of its values is taken.
    pub choice: Aggregation,
    /// Entities by which it is taken.
    pub groupings: Vec<String>,
}

/// What only metrics have.
#[derive(Debug, Clone)]
pub struct Metric {
    /// Title for people.
    pub label: String,
    /// What it is made of.
    pub kind: MetricKind,
    /// What it is made from.
    pub params: MetricParams,
    /// Conditions on the rows.
    pub filter: Option<Vec<String>>,
    /// How finely it is shown unless asked otherwise.
    pub time_granularity: Option<String>,
    /// `meta` beside `config`, which only the older form has.
    pub meta: IndexMap<String, Value>,
    /// `tags` beside `config`, which only the older form has.
    pub tags: Vec<String>,
}

/// What a metric is made from: dbt's `type_params`.
#[derive(Debug, Clone, Default)]
pub struct MetricParams {
    /// The measure of a simple or cumulative metric of the older form.
    pub measure: Option<MeasureInput>,
    /// What is divided.
    pub numerator: Option<MetricInput>,
    /// What it is divided by.
    pub denominator: Option<MetricInput>,
    /// SQL over what it is made from.
    pub expr: Option<String>,
    /// How long a time counts, in its older place.
    pub window: Option<Window>,
    /// What period it adds up in, in its older place.
    pub grain_to_date: Option<Granularity>,
    /// The metrics of a derived metric.
    pub metrics: Vec<MetricInput>,
    /// What a conversion metric has.
    pub conversion: Option<Conversion>,
    /// What a cumulative metric has.
    pub cumulative: Option<Cumulative>,
    /// How a simple metric of the newer form is aggregated.
    pub aggregation: Option<MetricAggregation>,
    /// Whether times without rows are there.
    pub join_to_timespine: bool,
    /// Whether it is only for other metrics; the older form does not say it.
    pub is_private: Option<bool>,
}

/// A measure that a metric is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureInput {
    /// Name of the measure.
    pub name: String,
    /// Where it is named.
    pub location: Location,
    /// Conditions on the rows.
    pub filter: Option<Vec<String>>,
    /// Its name in expressions.
    pub alias: Option<String>,
    /// Whether times without rows are there.
    pub join_to_timespine: bool,
    /// What stands for null.
    pub fill_nulls_with: Option<i64>,
}

impl MeasureInput {
    /// Whether another input says the same, wherever it is written.
    pub fn is_same(&self, other: &Self) -> bool {
        Self { location: other.location.clone(), ..self.clone() } == *other
    }
}

/// A metric that another one is made from.
#[derive(Debug, Clone)]
pub struct MetricInput {
    /// Name of the metric.
    pub name: String,
    /// Where it is named.
    pub location: Location,
    /// Conditions on the rows.
    pub filter: Option<Vec<String>>,
    /// Its name in expressions.
    pub alias: Option<String>,
    /// How much earlier it is taken.
    pub offset_window: Option<Window>,
    /// The period at whose beginning it is taken.
    pub offset_to_grain: Option<String>,
}

/// A length of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// How many.
    pub count: u64,
    /// Of what: a granularity, or one of the project's own.
    pub granularity: String,
}

/// How a simple metric of the newer form is aggregated.
#[derive(Debug, Clone)]
pub struct MetricAggregation {
    /// Name of the semantic model, whose model the metric is written with.
    pub semantic_model: Named,
    /// How rows are aggregated.
    pub aggregation: Aggregation,
    /// Which percentile.
    pub percentile: Percentile,
    /// The time by which it is aggregated.
    pub agg_time_dimension: Option<Named>,
    /// The dimension over which it does not add up.
    pub non_additive: Option<NonAdditive>,
}

/// What a cumulative metric has.
#[derive(Debug, Clone)]
pub struct Cumulative {
    /// How long a time counts.
    pub window: Option<Window>,
    /// What period it adds up in.
    pub grain_to_date: Option<String>,
    /// Which value of a period stands for it.
    pub period: PeriodAggregation,
    /// The metric that adds up, in the newer form.
    pub metric: Option<MetricInput>,
}

/// What a conversion metric has.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// Who did the one and the other.
    pub entity: String,
    /// What it gives.
    pub calculation: ConversionCalculation,
    /// How long after the first the second counts.
    pub window: Option<Window>,
    /// What is counted first and then, as measures in the older form.
    pub measures: Option<(MeasureInput, MeasureInput)>,
    /// The same as metrics in the newer form.
    pub metrics: Option<(MetricInput, MetricInput)>,
    /// What must be the same in both: a property of the first and one of the second.
    pub constants: Option<Vec<(String, String)>>,
}

/// What only kept queries have.
#[derive(Debug, Clone)]
pub struct SavedQuery {
    /// Title for people.
    pub label: Option<String>,
    /// `tags` beside `config`.
    pub tags: Vec<String>,
    /// Its metrics.
    pub metrics: Vec<MetricCall>,
    /// What it groups by.
    pub group_by: Vec<String>,
    /// Conditions on the rows.
    pub filter: Option<Vec<String>>,
    /// How it is sorted.
    pub order_by: Vec<String>,
    /// Most rows.
    pub limit: Option<i64>,
    /// What it would be exported to.
    pub exports: Vec<Export>,
}

/// What a kept query would be exported to.
#[derive(Debug, Clone)]
pub struct Export {
    /// Name.
    pub name: String,
    /// As what.
    pub kind: ExportKind,
    /// Schema, if it is not the target's.
    pub schema: Option<String>,
    /// Name of the table or view, if it is not the export's.
    pub alias: Option<String>,
    /// Its configuration as written.
    pub written: IndexMap<String, Value>,
}

/// How a table of days and other times is laid out: dbt's `time_spine`.
#[derive(Debug, Clone)]
pub struct TimeSpine {
    /// The column with each time.
    pub column: Named,
    /// The project's own granularities: name, and the column if it has another name.
    pub custom: Vec<(Named, Option<String>)>,
}

/// What the newer form says of a column.
#[derive(Debug, Clone, Default)]
pub struct ColumnMeaning {
    /// How finely the column tells time.
    pub granularity: Option<Granularity>,
    /// The dimension that it is.
    pub dimension: Option<ColumnDimension>,
    /// The entity that it is.
    pub entity: Option<ColumnEntity>,
}

/// A column as a dimension.
#[derive(Debug, Clone)]
pub struct ColumnDimension {
    /// What it tells apart.
    pub kind: DimensionKind,
    /// What is said beyond that, if it is written as a mapping.
    pub own: Option<ColumnElement>,
    /// Whether the table is partitioned by it.
    pub is_partition: bool,
    /// Which end of a row's validity it is.
    pub validity: Option<Validity>,
}

/// A column as an entity.
#[derive(Debug, Clone)]
pub struct ColumnEntity {
    /// What it is to the rows.
    pub kind: EntityKind,
    /// What is said beyond that, if it is written as a mapping.
    pub own: Option<ColumnElement>,
}

/// What a column's dimension or entity says of itself.
#[derive(Debug, Clone, Default)]
pub struct ColumnElement {
    /// Its name, if it is not the column's.
    pub name: Option<String>,
    /// Description, if it is not the column's.
    pub description: Option<String>,
    /// Title for people.
    pub label: Option<String>,
    /// `config` as written.
    pub config: IndexMap<String, Value>,
}

impl Metric {
    /// The metrics that it is made from, in dbt's order.
    pub fn inputs(&self) -> Vec<&MetricInput> {
        let params = &self.params;
        match self.kind {
            MetricKind::Simple => Vec::new(),
            MetricKind::Cumulative => params.cumulative.iter().filter_map(|part| part.metric.as_ref()).collect(),
            MetricKind::Ratio => params.numerator.iter().chain(&params.denominator).collect(),
            MetricKind::Derived => params.metrics.iter().collect(),
            MetricKind::Conversion => {
                let pair = params.conversion.as_ref().and_then(|part| part.metrics.as_ref());
                pair.into_iter().flat_map(|(base, conversion)| [base, conversion]).collect()
            }
        }
    }

    /// The measures that it names itself.
    pub fn measures(&self) -> Vec<&MeasureInput> {
        let params = &self.params;
        match self.kind {
            MetricKind::Simple | MetricKind::Cumulative => params.measure.iter().collect(),
            MetricKind::Conversion => {
                let pair = params.conversion.as_ref().and_then(|part| part.measures.as_ref());
                pair.into_iter().flat_map(|(base, conversion)| [base, conversion]).collect()
            }
            MetricKind::Ratio | MetricKind::Derived => Vec::new(),
        }
    }
}
