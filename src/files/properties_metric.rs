//! What properties files say about metrics, in both forms of dbt 1.12, and about queries over them that are kept.

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::Diagnostic;
use crate::base::source::Location;
use crate::files::fields::Fields;
use crate::files::properties::{ConfigEntry, Reader};
use crate::files::yaml::{Spanned, Yaml, YamlNode};
use crate::manifest::semantic::{
    Aggregation, Conversion, ConversionCalculation, Cumulative, Export, ExportKind, Granularity, MeasureInput, Metric,
    MetricAggregation, MetricCall, MetricInput, MetricKind, MetricParams, Named, Percentile, PeriodAggregation,
    SavedQuery, Window, Word,
};

/// Pairs of properties that base and conversion have in common.
type Constants = Vec<(String, String)>;

/// A metric.
#[derive(Debug, Clone)]
pub struct MetricProperties {
    /// Name.
    pub name: Spanned<String>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
    /// `config:` as written.
    pub config: Vec<ConfigEntry>,
    /// All else.
    pub detail: Metric,
}

/// A query over metrics that is kept.
#[derive(Debug, Clone)]
pub struct SavedQueryProperties {
    /// Name.
    pub name: Spanned<String>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
    /// `config:` as written.
    pub config: Vec<ConfigEntry>,
    /// All else, exports left out: what they inherit is known later.
    pub detail: SavedQuery,
    /// `exports:`.
    pub exports: Vec<ExportProperties>,
}

/// One item of `exports:`.
#[derive(Debug, Clone)]
pub struct ExportProperties {
    /// Name.
    pub name: Spanned<String>,
    /// `config:` as written.
    pub config: Vec<ConfigEntry>,
}

/// Most characters of a metric's name.
const NAME_LENGTH: usize = 250;

impl Reader<'_> {
    /// One item of `metrics:`. Those of the older form have `type_params`.
    pub fn metric(&mut self, item: &Yaml) -> Option<MetricProperties> {
        if item.get("type_params").is_some() {
            return self.old_metric(item);
        }
        let metric = self.metric_of_model(item)?;
        if metric.detail.params.aggregation.is_some() {
            let message = format!("metric `{}` aggregates rows, but belongs to no model", metric.name.value);
            let hint = "write it below `metrics:` of a model that has a `semantic_model`, or give it `type_params`";
            self.misfit(message, &metric.name.location, hint);
            return None;
        }
        Some(metric)
    }

    fn metric_start<'y>(&mut self, item: &'y Yaml) -> Option<(Spanned<String>, Fields<'y>, MetricKind)> {
        let (name, mut fields) = self.named("metric", item)?;
        self.check_metric_name(&name);
        let kind = match fields.text("type", self.diagnostics) {
            Some(text) => self.one_word("type", &text)?,
            None => MetricKind::Simple,
        };
        Some((name, fields, kind))
    }

    fn check_metric_name(&mut self, name: &Spanned<String>) {
        let text = &name.value;
        let starts = text.starts_with(|first: char| first.is_ascii_alphabetic());
        let fits = text.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        if starts && fits && text.chars().count() <= NAME_LENGTH {
            return;
        }
        let message = format!("`{text}` can't be the name of a metric");
        self.diagnostics.push(
            Diagnostic::error("bad-name", message)
                .at(name.location.clone(), "")
                .with_hint("begin with a letter and go on with letters, digits and `_`, 250 characters at most"),
        );
    }

    fn old_metric(&mut self, item: &Yaml) -> Option<MetricProperties> {
        let (name, mut fields, kind) = self.metric_start(item)?;
        let label = self.required("label", item, &mut fields);
        let description = fields.text("description", self.diagnostics);
        let filter = self.plain_texts("filter", &mut fields);
        let time_granularity = self.plain_text("time_granularity", &mut fields);
        let meta = fields.take("meta").and_then(Yaml::entries).unwrap_or_default();
        let meta = meta.iter().map(|(key, value)| (key.value.clone(), value.to_json())).collect();
        let tags = self.plain_texts("tags", &mut fields).unwrap_or_default();
        let config = self.inner_config(&mut fields);
        let params = fields.take("type_params").and_then(|value| self.old_params(&name, kind, value));
        fields.finish(self.unknown, self.diagnostics);
        let (params, label) = (params?, label?.value);
        self.check_parts(&name, kind, &params);
        let detail = Metric { label, kind, params, filter, time_granularity, meta, tags };
        Some(MetricProperties { name, description, config, detail })
    }

    fn old_params(&mut self, name: &Spanned<String>, kind: MetricKind, value: &Yaml) -> Option<MetricParams> {
        let owner = format!("`type_params` of metric `{}`", name.value);
        let mut fields = Fields::new(owner, value, self.diagnostics)?;
        let measure = fields.take("measure").and_then(|value| self.measure_input(value));
        let window = self.window("window", &mut fields);
        let grain_to_date: Option<Granularity> = self.word("grain_to_date", &mut fields);
        let cumulative = fields.take("cumulative_type_params").and_then(|value| self.old_cumulative(value));
        let cumulative = (kind == MetricKind::Cumulative).then(|| {
            let written = cumulative.unwrap_or((None, None, PeriodAggregation::First));
            let (own_window, own_grain, period) = written;
            Cumulative {
                window: own_window.or_else(|| window.clone()),
                grain_to_date: own_grain.or_else(|| grain_to_date.map(|grain| grain.as_str().to_owned())),
                period,
                metric: None,
            }
        });
        let params = MetricParams {
            measure,
            numerator: fields.take("numerator").and_then(|value| self.metric_input(value)),
            denominator: fields.take("denominator").and_then(|value| self.metric_input(value)),
            expr: fields.take("expr").and_then(python_text),
            window,
            grain_to_date,
            metrics: self.items("metrics", &mut fields, Self::metric_input),
            conversion: fields.take("conversion_type_params").and_then(|value| self.old_conversion(value)),
            cumulative,
            ..MetricParams::default()
        };
        fields.finish(self.unknown, self.diagnostics);
        Some(params)
    }

    fn old_cumulative(&mut self, value: &Yaml) -> Option<(Option<Window>, Option<String>, PeriodAggregation)> {
        let mut fields = Fields::new("`cumulative_type_params`", value, self.diagnostics)?;
        let window = self.window("window", &mut fields);
        let grain_to_date = self.plain_text("grain_to_date", &mut fields);
        let period = self.word("period_agg", &mut fields).unwrap_or(PeriodAggregation::First);
        fields.finish(self.unknown, self.diagnostics);
        Some((window, grain_to_date, period))
    }

    fn old_conversion(&mut self, value: &Yaml) -> Option<Conversion> {
        let mut fields = Fields::new("`conversion_type_params`", value, self.diagnostics)?;
        let mut part = |reader: &mut Self, key: &'static str| {
            let Some(written) = fields.take(key) else {
                let missing = fields.missing(key, &value.location);
                reader.diagnostics.push(missing);
                return None;
            };
            reader.measure_input(written)
        };
        let (base, conversion) = (part(self, "base_measure"), part(self, "conversion_measure"));
        let entity = self.required("entity", value, &mut fields);
        let (calculation, window, constants) = self.conversion_rest(&mut fields);
        fields.finish(self.unknown, self.diagnostics);
        let measures = Some((base?, conversion?));
        Some(Conversion { entity: entity?.value, calculation, window, measures, metrics: None, constants })
    }

    /// What both forms say of a conversion.
    fn conversion_rest(
        &mut self,
        fields: &mut Fields<'_>,
    ) -> (ConversionCalculation, Option<Window>, Option<Constants>) {
        let calculation = self.word("calculation", fields).unwrap_or(ConversionCalculation::ConversionRate);
        let window = self.window("window", fields);
        let has_constants = fields.take("constant_properties");
        let constants = has_constants.map(|value| {
            let items = value.items().unwrap_or_default();
            if value.items().is_none() {
                self.diagnostics.push(fields.wrong("constant_properties", value, "a list"));
            }
            items.iter().filter_map(|item| self.constant(item)).collect()
        });
        (calculation, window, constants)
    }

    fn constant(&mut self, item: &Yaml) -> Option<(String, String)> {
        let mut fields = Fields::new("a constant property", item, self.diagnostics)?;
        let base = self.required("base_property", item, &mut fields);
        let conversion = self.required("conversion_property", item, &mut fields);
        fields.finish(self.unknown, self.diagnostics);
        Some((base?.value, conversion?.value))
    }

    /// A measure that a metric is made from: its name, or a mapping.
    fn measure_input(&mut self, value: &Yaml) -> Option<MeasureInput> {
        if let Some(name) = value.scalar_text() {
            let location = value.location.clone();
            let (filter, alias) = (None, None);
            return Some(MeasureInput {
                name,
                location,
                filter,
                alias,
                join_to_timespine: false,
                fill_nulls_with: None,
            });
        }
        let (name, mut fields) = self.named("measure of a metric", value)?;
        let input = MeasureInput {
            name: name.value,
            location: name.location,
            filter: self.plain_texts("filter", &mut fields),
            alias: self.plain_text("alias", &mut fields),
            join_to_timespine: fields.boolean("join_to_timespine", self.diagnostics).unwrap_or(false),
            fill_nulls_with: self.whole("fill_nulls_with", &mut fields),
        };
        fields.finish(self.unknown, self.diagnostics);
        Some(input)
    }

    /// A metric that another one is made from: its name, or a mapping.
    fn metric_input(&mut self, value: &Yaml) -> Option<MetricInput> {
        if let Some(name) = value.scalar_text() {
            let location = value.location.clone();
            let (filter, alias) = (None, None);
            return Some(MetricInput { name, location, filter, alias, offset_window: None, offset_to_grain: None });
        }
        let (name, mut fields) = self.named("metric of a metric", value)?;
        let input = MetricInput {
            name: name.value,
            location: name.location,
            filter: self.plain_texts("filter", &mut fields),
            alias: self.plain_text("alias", &mut fields),
            offset_window: self.window("offset_window", &mut fields),
            offset_to_grain: self.plain_text("offset_to_grain", &mut fields),
        };
        fields.finish(self.unknown, self.diagnostics);
        Some(input)
    }

    /// A length of time such as `28 days`.
    fn window(&mut self, key: &'static str, fields: &mut Fields<'_>) -> Option<Window> {
        let text = fields.text(key, self.diagnostics)?;
        let words = text.value.to_lowercase();
        let parts: Vec<&str> = words.split(' ').collect();
        if let [count, unit] = parts.as_slice()
            && let Ok(count) = count.parse::<u64>()
        {
            // Only what dbt knows has a plural; the project's own granularities are taken as they are.
            let single = unit.strip_suffix('s').filter(|single| Granularity::parse(single).is_some());
            return Some(Window { count, granularity: single.unwrap_or(unit).to_owned() });
        }
        let message = format!("`{key}` can't be `{}`", text.value);
        self.misfit(message, &text.location, "write a number and a unit, such as `28 days`");
        None
    }

    /// A metric of the newer form. One that aggregates rows learns its semantic model from the model that it is written
    /// with.
    pub fn metric_of_model(&mut self, item: &Yaml) -> Option<MetricProperties> {
        let (name, mut fields, kind) = self.metric_start(item)?;
        let label = self.plain_text("label", &mut fields);
        let description = fields.text("description", self.diagnostics);
        let filter = self.plain_texts("filter", &mut fields);
        let time_granularity = self.plain_text("time_granularity", &mut fields);
        let config = self.inner_config(&mut fields);
        let is_private = Some(fields.boolean("hidden", self.diagnostics).unwrap_or(false));
        let aggregation = self.aggregation(&name, &mut fields);
        if kind == MetricKind::Simple && item.get("agg").is_none_or(Yaml::is_null) {
            let hint = "say how rows are aggregated, such as `agg: sum`";
            self.diagnostics.push(fields.missing("agg", &name.location).with_hint(hint));
        }
        let mut input = |reader: &mut Self, key: &'static str| {
            let value = fields.take(key)?;
            reader.metric_input(value)
        };
        let (numerator, denominator) = (input(self, "numerator"), input(self, "denominator"));
        let (base, converted) = (input(self, "base_metric"), input(self, "conversion_metric"));
        let accumulated = input(self, "input_metric");
        let entity = self.plain_text("entity", &mut fields);
        let (calculation, window, constants) = self.conversion_rest(&mut fields);
        let grain_to_date = self.plain_text("grain_to_date", &mut fields);
        let period = self.word("period_agg", &mut fields).unwrap_or(PeriodAggregation::First);
        // Known to dbt, which does nothing with it in this form.
        self.whole("fill_nulls_with", &mut fields);
        let conversion = (kind == MetricKind::Conversion).then_some((base, converted, entity)).and_then(|parts| {
            let (Some(base), Some(converted), Some(entity)) = parts else { return None };
            let metrics = Some((base, converted));
            Some(Conversion { entity, calculation, window: window.clone(), measures: None, metrics, constants })
        });
        let cumulative = (kind == MetricKind::Cumulative).then(|| Cumulative {
            window: window.clone(),
            grain_to_date,
            period,
            metric: accumulated,
        });
        let params = MetricParams {
            numerator,
            denominator,
            expr: fields.take("expr").and_then(python_text),
            window,
            metrics: self.items("input_metrics", &mut fields, Self::metric_input),
            conversion,
            cumulative,
            aggregation,
            join_to_timespine: fields.boolean("join_to_timespine", self.diagnostics).unwrap_or(false),
            is_private,
            ..MetricParams::default()
        };
        fields.finish(self.unknown, self.diagnostics);
        self.check_parts(&name, kind, &params);
        let label = label.unwrap_or_else(|| name.value.clone());
        let detail = Metric { label, kind, params, filter, time_granularity, meta: IndexMap::new(), tags: Vec::new() };
        Some(MetricProperties { name, description, config, detail })
    }

    fn aggregation(&mut self, name: &Spanned<String>, fields: &mut Fields<'_>) -> Option<MetricAggregation> {
        let aggregation: Option<Aggregation> = self.word("agg", fields);
        let percentile = self.number("percentile", fields);
        let kind = fields.text("percentile_type", self.diagnostics);
        let is = |word: &str| kind.as_ref().is_some_and(|kind| kind.value.eq_ignore_ascii_case(word));
        if let Some(kind) = kind.as_ref().filter(|_| !is("discrete") && !is("continuous")) {
            // dbt takes any other word for none.
            let message = format!("`percentile_type` of metric `{}` is `{}`", name.value, kind.value);
            let diagnostic = Diagnostic::warning("bad-metric", message).at(kind.location.clone(), "");
            self.diagnostics.push(diagnostic.with_note("it can be `discrete` or `continuous`"));
        }
        let agg_time_dimension = self.reference("agg_time_dimension", fields);
        let non_additive = fields
            .take("non_additive_dimension")
            .and_then(|value| self.non_additive(value, ["window_agg", "group_by"]));
        Some(MetricAggregation {
            // The reader of the model puts the real one in its place.
            semantic_model: Named { name: String::new(), location: name.location.clone() },
            aggregation: aggregation?,
            percentile: Percentile { share: percentile, is_discrete: is("discrete"), is_approximate: is("continuous") },
            agg_time_dimension,
            non_additive,
        })
    }

    /// Reports what a metric of its kind lacks.
    fn check_parts(&mut self, name: &Spanned<String>, kind: MetricKind, params: &MetricParams) {
        let is_new = params.is_private.is_some();
        let lacks: &[(bool, &str, &str)] = match kind {
            MetricKind::Simple => &[(params.measure.is_none() && !is_new, "measure", "measure")],
            MetricKind::Cumulative => &[
                (params.measure.is_none() && !is_new, "measure", "measure"),
                (
                    is_new && params.cumulative.as_ref().is_none_or(|part| part.metric.is_none()),
                    "input_metric",
                    "input_metric",
                ),
            ],
            MetricKind::Ratio => &[
                (params.numerator.is_none(), "numerator", "numerator"),
                (params.denominator.is_none(), "denominator", "denominator"),
            ],
            MetricKind::Derived => &[(params.metrics.is_empty(), "metrics", "input_metrics")],
            MetricKind::Conversion => &[(
                params.conversion.is_none(),
                "conversion_type_params",
                "base_metric`, `conversion_metric` and `entity",
            )],
        };
        for (_, old, new) in lacks.iter().filter(|(is_lacking, _, _)| *is_lacking) {
            let key = if is_new { new } else { old };
            let message = format!("metric `{}` is `{}` and has no `{key}`", name.value, kind.as_str());
            self.diagnostics.push(Diagnostic::error("missing-key", message).at(name.location.clone(), ""));
        }
        if kind == MetricKind::Derived && params.expr.is_none() {
            // As under dbt, it may stay so: nothing here asks for it.
            let message = format!("metric `{}` is `derived` and has no `expr`", name.value);
            self.diagnostics.push(Diagnostic::warning("bad-metric", message).at(name.location.clone(), ""));
        }
    }

    /// One item of `saved_queries:`.
    pub fn saved_query(&mut self, item: &Yaml) -> Option<SavedQueryProperties> {
        let (name, mut fields) = self.named("saved query", item)?;
        let description = fields.text("description", self.diagnostics);
        let label = self.plain_text("label", &mut fields);
        let tags = self.plain_texts("tags", &mut fields).unwrap_or_default();
        let config = self.inner_config(&mut fields);
        let exports = self.items("exports", &mut fields, Self::export);
        let query = match fields.take("query_params") {
            Some(value) => self.query(value, label, tags),
            None => {
                self.diagnostics.push(fields.missing("query_params", &name.location));
                None
            }
        };
        fields.finish(self.unknown, self.diagnostics);
        Some(SavedQueryProperties { name, description, config, detail: query?, exports })
    }

    fn query(&mut self, value: &Yaml, label: Option<String>, tags: Vec<String>) -> Option<SavedQuery> {
        let mut fields = Fields::new("`query_params` of a saved query", value, self.diagnostics)?;
        let metrics = fields.texts("metrics", self.diagnostics).unwrap_or_default();
        let call = |text: Spanned<String>| MetricCall { package: None, name: text.value, location: text.location };
        let query = SavedQuery {
            label,
            tags,
            metrics: metrics.into_iter().map(call).collect(),
            group_by: self.plain_texts("group_by", &mut fields).unwrap_or_default(),
            filter: self.plain_texts("where", &mut fields),
            order_by: self.plain_texts("order_by", &mut fields).unwrap_or_default(),
            limit: self.whole("limit", &mut fields),
            exports: Vec::new(),
        };
        fields.finish(self.unknown, self.diagnostics);
        Some(query)
    }

    fn export(&mut self, item: &Yaml) -> Option<ExportProperties> {
        let (name, mut fields) = self.named("export", item)?;
        let config = self.inner_config(&mut fields);
        fields.finish(self.unknown, self.diagnostics);
        Some(ExportProperties { name, config })
    }
}

impl ExportProperties {
    /// The export with what it takes from its query's configuration. `problem` is told what is wrong with it.
    pub fn resolve(
        &self,
        inherited: &IndexMap<String, Json>,
        problem: &mut dyn FnMut(&Location, Option<&str>),
    ) -> Option<Export> {
        let written: IndexMap<String, Json> =
            self.config.iter().map(|(key, value)| (key.value.clone(), value.to_json())).collect();
        let text = |key: &str| {
            let found = written.get(key).filter(|value| !value.is_null()).or_else(|| inherited.get(key));
            found.and_then(Json::as_str).map(str::to_owned)
        };
        let place = self.config.iter().find(|(key, _)| key.value == "export_as").map(|(_, value)| &value.location);
        let place = place.unwrap_or(&self.name.location);
        let Some(word) = text("export_as") else {
            problem(place, None);
            return None;
        };
        let Some(kind) = ExportKind::parse(&word) else {
            problem(place, Some(&word));
            return None;
        };
        // dbt knows the schema by another name as well, which wins.
        let schema = text("schema_name").or_else(|| text("schema"));
        let own = |key: &str| written.get(key).and_then(Json::as_str).map(str::to_owned);
        Some(Export { name: self.name.value.clone(), kind, schema, alias: own("alias"), written })
    }
}

/// A scalar as Python writes it.
fn python_text(value: &Yaml) -> Option<String> {
    match value.node {
        YamlNode::Bool(true) => Some("True".to_owned()),
        YamlNode::Bool(false) => Some("False".to_owned()),
        _ => value.scalar_text(),
    }
}
