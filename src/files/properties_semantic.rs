//! What properties files say about the meaning of models: semantic models in both forms of dbt 1.12, and what columns
//! and tables of times are to them. Metrics and kept queries are in [`properties_metric`](super::properties_metric).

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::Diagnostic;
use crate::base::source::Location;
use crate::files::fields::{Fields, Single};
use crate::files::properties::{ConfigEntry, Reader, not_one_of};
use crate::files::properties_metric::MetricProperties;
use crate::files::yaml::{Spanned, Yaml, YamlNode};
use crate::manifest::semantic::{
    Aggregation, ColumnDimension, ColumnElement, ColumnEntity, ColumnMeaning, Defaults, Dimension, DimensionKind,
    DimensionTime, Element, Entity, EntityKind, Granularity, Measure, Named, NonAdditive, Percentile, SemanticModel,
    TimeSpine, Validity, Word,
};

/// One item of `semantic_models:`.
#[derive(Debug, Clone)]
pub struct SemanticModelProperties {
    /// Name.
    pub name: Spanned<String>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
    /// `config:` as written.
    pub config: Vec<ConfigEntry>,
    /// Where the model is named.
    pub model: Location,
    /// All else.
    pub detail: SemanticModel,
}

/// What a model says about its own meaning: the newer form.
#[derive(Debug, Clone)]
pub struct ModelSemantics {
    /// The name of the semantic model, if it is not the model's.
    pub name: Option<Spanned<String>>,
    /// The configuration of the semantic model.
    pub config: Vec<ConfigEntry>,
    /// Where it is said that there is one.
    pub location: Location,
    /// `agg_time_dimension:`.
    pub agg_time_dimension: Option<Named>,
    /// `primary_entity:`.
    pub primary_entity: Option<String>,
    /// Entities that are no columns.
    pub entities: Vec<Entity>,
    /// Dimensions that are no columns.
    pub dimensions: Vec<Dimension>,
    /// `metrics:`.
    pub metrics: Vec<MetricProperties>,
}

impl Reader<'_> {
    /// A word of a closed list.
    pub fn word<W: Word>(&mut self, key: &'static str, fields: &mut Fields<'_>) -> Option<W> {
        let text = fields.text(key, self.diagnostics)?;
        self.one_word(key, &text)
    }

    /// The same from a text that was taken already.
    pub fn one_word<W: Word>(&mut self, key: &str, text: &Spanned<String>) -> Option<W> {
        let word = W::parse(&text.value);
        if word.is_none() {
            let known: Vec<&str> = W::ALL.iter().map(|word| word.as_str()).collect();
            self.diagnostics.push(not_one_of(key, &text.value, &text.location, &known));
        }
        word
    }

    /// A word that must be there.
    pub fn required_word<W: Word>(&mut self, key: &'static str, item: &Yaml, fields: &mut Fields<'_>) -> Option<W> {
        let text = self.required(key, item, fields)?;
        self.one_word(key, &text)
    }

    /// The name of something that is described elsewhere.
    pub fn reference(&mut self, key: &'static str, fields: &mut Fields<'_>) -> Option<Named> {
        let text = fields.text(key, self.diagnostics)?;
        Some(Named { name: text.value, location: text.location })
    }

    /// A whole number.
    pub fn whole(&mut self, key: &'static str, fields: &mut Fields<'_>) -> Option<i64> {
        let value = fields.take(key)?;
        if let YamlNode::Int(number) = value.node {
            return Some(number);
        }
        self.diagnostics.push(fields.wrong(key, value, "a whole number"));
        None
    }

    /// A number.
    pub fn number(&mut self, key: &'static str, fields: &mut Fields<'_>) -> Option<f64> {
        let value = fields.take(key)?;
        match &value.node {
            YamlNode::Float(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "a percentile is between 0 and 1")]
            YamlNode::Int(number) => Some(*number as f64),
            _ => {
                self.diagnostics.push(fields.wrong(key, value, "a number"));
                None
            }
        }
    }

    /// A list of texts without their places.
    pub fn plain_texts(&mut self, key: &'static str, fields: &mut Fields<'_>) -> Option<Vec<String>> {
        let texts = fields.texts(key, self.diagnostics)?;
        Some(texts.into_iter().map(|text| text.value).collect())
    }

    /// A text without its place.
    pub fn plain_text(&mut self, key: &'static str, fields: &mut Fields<'_>) -> Option<String> {
        fields.text(key, self.diagnostics).map(|text| text.value)
    }

    /// One item of `semantic_models:`.
    pub fn semantic_model(&mut self, item: &Yaml) -> Option<SemanticModelProperties> {
        let (name, mut fields) = self.named("semantic model", item)?;
        let model = self.required("model", item, &mut fields);
        let description = fields.text("description", self.diagnostics);
        let label = self.plain_text("label", &mut fields);
        let defaults = fields.take("defaults").and_then(|value| self.defaults(value));
        let primary_entity = self.plain_text("primary_entity", &mut fields);
        let entities = self.items("entities", &mut fields, Self::entity);
        let dimensions = self.items("dimensions", &mut fields, Self::dimension);
        let measures = self.items("measures", &mut fields, Self::measure);
        let config = self.inner_config(&mut fields);
        fields.finish(self.unknown, self.diagnostics);
        let model = model?;
        let detail = SemanticModel {
            model: model.value,
            of_model: false,
            label,
            defaults,
            primary_entity,
            entities,
            dimensions,
            measures,
        };
        Some(SemanticModelProperties { name, description, config, model: model.location, detail })
    }

    /// The items of a list, those that are not understood left out.
    pub fn items<T>(
        &mut self,
        key: &'static str,
        fields: &mut Fields<'_>,
        read: fn(&mut Self, &Yaml) -> Option<T>,
    ) -> Vec<T> {
        let items = fields.list(key, Single::Refused, self.diagnostics);
        items.into_iter().filter_map(|item| read(self, item)).collect()
    }

    fn defaults(&mut self, value: &Yaml) -> Option<Defaults> {
        let mut fields = Fields::new("`defaults` of a semantic model", value, self.diagnostics)?;
        let agg_time_dimension = self.reference("agg_time_dimension", &mut fields);
        fields.finish(self.unknown, self.diagnostics);
        Some(Defaults { agg_time_dimension })
    }

    /// What all parts of a semantic model have.
    fn element(&mut self, name: Spanned<String>, fields: &mut Fields<'_>) -> Element {
        let config = self.inner_config(fields);
        Element {
            name: name.value,
            location: name.location,
            description: self.plain_text("description", fields),
            label: self.plain_text("label", fields),
            expr: self.plain_text("expr", fields),
            meta: meta_of(&config),
        }
    }

    fn entity(&mut self, item: &Yaml) -> Option<Entity> {
        let (name, mut fields) = self.named("entity", item)?;
        let kind = self.required_word("type", item, &mut fields);
        let element = self.element(name, &mut fields);
        let role = self.plain_text("role", &mut fields);
        fields.finish(self.unknown, self.diagnostics);
        Some(Entity { element, kind: kind?, role })
    }

    fn dimension(&mut self, item: &Yaml) -> Option<Dimension> {
        let (name, mut fields) = self.named("dimension", item)?;
        let kind = self.required_word("type", item, &mut fields);
        let element = self.element(name, &mut fields);
        let is_partition = fields.boolean("is_partition", self.diagnostics).unwrap_or(false);
        let time = fields.take("type_params").and_then(|value| self.dimension_time(value));
        fields.finish(self.unknown, self.diagnostics);
        Some(Dimension { element, kind: kind?, is_partition, time })
    }

    fn dimension_time(&mut self, value: &Yaml) -> Option<DimensionTime> {
        let mut fields = Fields::new("`type_params` of a dimension", value, self.diagnostics)?;
        let granularity = self.required_word("time_granularity", value, &mut fields);
        let validity = self.validity(&mut fields);
        fields.finish(self.unknown, self.diagnostics);
        Some(DimensionTime { granularity: granularity?, validity })
    }

    fn validity(&mut self, fields: &mut Fields<'_>) -> Option<Validity> {
        let value = fields.take("validity_params")?;
        let mut fields = Fields::new("`validity_params`", value, self.diagnostics)?;
        let validity = Validity {
            is_start: fields.boolean("is_start", self.diagnostics).unwrap_or(false),
            is_end: fields.boolean("is_end", self.diagnostics).unwrap_or(false),
        };
        fields.finish(self.unknown, self.diagnostics);
        Some(validity)
    }

    fn measure(&mut self, item: &Yaml) -> Option<Measure> {
        let (name, mut fields) = self.named("measure", item)?;
        let aggregation = self.required_word("agg", item, &mut fields);
        let element = self.element(name, &mut fields);
        let percentile = fields.take("agg_params").and_then(|value| self.percentile(value));
        let non_additive = fields.take("non_additive_dimension").and_then(|value| {
            let keys = ["window_choice", "window_groupings"];
            self.non_additive(value, keys)
        });
        let agg_time_dimension = self.reference("agg_time_dimension", &mut fields);
        let makes_metric = fields.boolean("create_metric", self.diagnostics).unwrap_or(false);
        fields.finish(self.unknown, self.diagnostics);
        let aggregation = aggregation?;
        Some(Measure { element, aggregation, percentile, non_additive, agg_time_dimension, makes_metric })
    }

    fn percentile(&mut self, value: &Yaml) -> Option<Percentile> {
        let mut fields = Fields::new("`agg_params` of a measure", value, self.diagnostics)?;
        let percentile = Percentile {
            share: self.number("percentile", &mut fields),
            is_discrete: fields.boolean("use_discrete_percentile", self.diagnostics).unwrap_or(false),
            is_approximate: fields.boolean("use_approximate_percentile", self.diagnostics).unwrap_or(false),
        };
        fields.finish(self.unknown, self.diagnostics);
        Some(percentile)
    }

    /// `non_additive_dimension:`; the names of its keys differ between the two forms.
    pub fn non_additive(&mut self, value: &Yaml, keys: [&'static str; 2]) -> Option<NonAdditive> {
        let [choice, groupings] = keys;
        let mut fields = Fields::new("`non_additive_dimension`", value, self.diagnostics)?;
        let name = self.required("name", value, &mut fields);
        let choice: Option<Aggregation> = self.required_word(choice, value, &mut fields);
        let groupings = self.plain_texts(groupings, &mut fields).unwrap_or_default();
        fields.finish(self.unknown, self.diagnostics);
        let name = name?;
        Some(NonAdditive { dimension: Named { name: name.value, location: name.location }, choice: choice?, groupings })
    }

    /// What a model says about its own meaning; `None` if it has no semantic model.
    pub fn semantics(&mut self, fields: &mut Fields<'_>) -> Option<ModelSemantics> {
        let written = fields.take("semantic_model");
        let agg_time_dimension = self.reference("agg_time_dimension", fields);
        let primary_entity = self.plain_text("primary_entity", fields);
        let metrics = self.items("metrics", fields, Self::metric_of_model);
        let (entities, dimensions) = match fields.take("derived_semantics") {
            Some(value) => self.derived(value),
            None => (Vec::new(), Vec::new()),
        };
        let written = written?;
        let (name, config) = match &written.node {
            YamlNode::Bool(true) => (None, Vec::new()),
            YamlNode::Bool(false) => return None,
            YamlNode::Mapping(_) => self.semantic_config(written)?,
            _ => {
                self.diagnostics.push(fields.wrong("semantic_model", written, "true, false or a mapping"));
                return None;
            }
        };
        let location = written.location.clone();
        Some(ModelSemantics {
            name,
            config,
            location,
            agg_time_dimension,
            primary_entity,
            entities,
            dimensions,
            metrics,
        })
    }

    /// `semantic_model:` as a mapping; `None` if it is switched off. dbt writes `enabled` with the configuration.
    fn semantic_config(&mut self, value: &Yaml) -> Option<(Option<Spanned<String>>, Vec<ConfigEntry>)> {
        let mut fields = Fields::new("`semantic_model`", value, self.diagnostics)?;
        let name = fields.text("name", self.diagnostics);
        let enabled = fields.take("enabled");
        let group = fields.take_entry("group").filter(|(_, value)| !value.is_null());
        let inner = self.inner_config(&mut fields);
        let is_on = match enabled.map(|value| &value.node) {
            None | Some(YamlNode::Bool(true)) => true,
            Some(YamlNode::Bool(false)) => false,
            Some(_) => {
                if let Some(value) = enabled {
                    self.diagnostics.push(fields.wrong("enabled", value, "true or false"));
                }
                false
            }
        };
        // dbt takes no other key here, where it is lenient elsewhere.
        fields.finish(crate::base::diagnostic::Severity::Error, self.diagnostics);
        let mut config: Vec<ConfigEntry> = inner.into_iter().filter(|(key, _)| key.value == "meta").collect();
        if !config.is_empty() {
            let place = value.location.clone();
            config
                .push((Spanned::new("enabled".to_owned(), place.clone()), Yaml::from_json(&Json::Bool(true), &place)));
        }
        config.extend(group.map(|(key, value)| (key.clone(), value.clone())));
        is_on.then_some((name, config))
    }

    fn derived(&mut self, value: &Yaml) -> (Vec<Entity>, Vec<Dimension>) {
        let Some(mut fields) = Fields::new("`derived_semantics`", value, self.diagnostics) else {
            return (Vec::new(), Vec::new());
        };
        let entities = self.items("entities", &mut fields, Self::derived_entity);
        let dimensions = self.items("dimensions", &mut fields, Self::derived_dimension);
        fields.finish(self.unknown, self.diagnostics);
        (entities, dimensions)
    }

    fn derived_entity(&mut self, item: &Yaml) -> Option<Entity> {
        let (name, mut fields) = self.named("derived entity", item)?;
        let kind = self.required_word("type", item, &mut fields);
        let element = self.derived_element(name, item, &mut fields);
        fields.finish(self.unknown, self.diagnostics);
        Some(Entity { element, kind: kind?, role: None })
    }

    fn derived_dimension(&mut self, item: &Yaml) -> Option<Dimension> {
        let (name, mut fields) = self.named("derived dimension", item)?;
        let kind = self.required_word("type", item, &mut fields);
        let element = self.derived_element(name, item, &mut fields);
        let is_partition = fields.boolean("is_partition", self.diagnostics).unwrap_or(false);
        let granularity = self.word("granularity", &mut fields);
        let validity = self.validity(&mut fields);
        if validity.is_some() && item.get("granularity").is_none_or(Yaml::is_null) {
            self.diagnostics.push(fields.missing("granularity", &item.location));
        }
        fields.finish(self.unknown, self.diagnostics);
        let time = granularity.map(|granularity| DimensionTime { granularity, validity });
        Some(Dimension { element, kind: kind?, is_partition, time })
    }

    /// What is not a column needs an expression.
    fn derived_element(&mut self, name: Spanned<String>, item: &Yaml, fields: &mut Fields<'_>) -> Element {
        let element = self.element(name, fields);
        if item.get("expr").is_none_or(Yaml::is_null) {
            self.diagnostics.push(fields.missing("expr", &element.location));
        }
        element
    }

    /// `granularity:`, `dimension:` and `entity:` of a column.
    pub fn meaning(&mut self, column: &Spanned<String>, fields: &mut Fields<'_>) -> ColumnMeaning {
        let has_granularity = fields.take("granularity").map(|value| (value.scalar_text(), value));
        let granularity: Option<Granularity> = match &has_granularity {
            Some((Some(text), value)) => {
                let text = Spanned::new(text.clone(), value.location.clone());
                self.one_word("granularity", &text)
            }
            Some((None, value)) => {
                self.diagnostics.push(fields.wrong("granularity", value, "a text"));
                None
            }
            None => None,
        };
        let dimension = fields.take("dimension").and_then(|value| self.column_dimension(value));
        let entity = fields.take("entity").and_then(|value| self.column_entity(value));
        let tells_time =
            dimension.as_ref().is_some_and(|own| own.kind == DimensionKind::Time || own.validity.is_some());
        if tells_time && has_granularity.is_none() {
            let hint = "say how finely the column tells time, such as `granularity: day`";
            self.diagnostics.push(fields.missing("granularity", &column.location).with_hint(hint));
        }
        ColumnMeaning { granularity, dimension, entity }
    }

    fn column_dimension(&mut self, value: &Yaml) -> Option<ColumnDimension> {
        if let Some(text) = value.scalar_text() {
            let kind = self.one_word("dimension", &Spanned::new(text, value.location.clone()))?;
            return Some(ColumnDimension { kind, own: None, is_partition: false, validity: None });
        }
        let mut fields = Fields::new("the dimension of a column", value, self.diagnostics)?;
        let kind = self.required_word("type", value, &mut fields);
        let own = Some(self.column_element(&mut fields));
        let is_partition = fields.boolean("is_partition", self.diagnostics).unwrap_or(false);
        let validity = self.validity(&mut fields);
        fields.finish(self.unknown, self.diagnostics);
        Some(ColumnDimension { kind: kind?, own, is_partition, validity })
    }

    fn column_entity(&mut self, value: &Yaml) -> Option<ColumnEntity> {
        if let Some(text) = value.scalar_text() {
            let kind: EntityKind = self.one_word("entity", &Spanned::new(text, value.location.clone()))?;
            return Some(ColumnEntity { kind, own: None });
        }
        let mut fields = Fields::new("the entity of a column", value, self.diagnostics)?;
        let kind = self.required_word("type", value, &mut fields);
        let own = Some(self.column_element(&mut fields));
        fields.finish(self.unknown, self.diagnostics);
        Some(ColumnEntity { kind: kind?, own })
    }

    fn column_element(&mut self, fields: &mut Fields<'_>) -> ColumnElement {
        let config = self.inner_config(fields);
        ColumnElement {
            name: self.plain_text("name", fields),
            description: self.plain_text("description", fields),
            label: self.plain_text("label", fields),
            config: config.iter().map(|(key, value)| (key.value.clone(), value.to_json())).collect(),
        }
    }

    /// `time_spine:` of a model.
    pub fn time_spine(&mut self, fields: &mut Fields<'_>) -> Option<TimeSpine> {
        let value = fields.take("time_spine")?;
        let mut fields = Fields::new("`time_spine`", value, self.diagnostics)?;
        let column = self.required("standard_granularity_column", value, &mut fields);
        let custom = self.items("custom_granularities", &mut fields, Self::custom_granularity);
        fields.finish(self.unknown, self.diagnostics);
        let column = column?;
        Some(TimeSpine { column: Named { name: column.value, location: column.location }, custom })
    }

    fn custom_granularity(&mut self, item: &Yaml) -> Option<(Named, Option<String>)> {
        let (name, mut fields) = self.named("custom granularity", item)?;
        let column = self.plain_text("column_name", &mut fields);
        fields.finish(self.unknown, self.diagnostics);
        Some((Named { name: name.value, location: name.location }, column))
    }

    /// A complaint at a place, of a value that its neighbors do not allow.
    pub fn misfit(&mut self, message: String, place: &Location, hint: &str) {
        self.diagnostics.push(Diagnostic::error("bad-value", message).at(place.clone(), "").with_hint(hint));
    }
}

/// The entries of `meta` in a configuration.
pub(super) fn meta_of(config: &[ConfigEntry]) -> IndexMap<String, Json> {
    let entries = config.iter().filter(|(key, _)| key.value == "meta").filter_map(|(_, value)| value.entries());
    entries.flatten().map(|(key, value)| (key.value.clone(), value.to_json())).collect()
}
