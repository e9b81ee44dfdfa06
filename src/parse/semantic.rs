//! Semantic models, metrics and kept queries become nodes; what they read is found in [`link`], and [`check`] holds
//! them to the rules of dbt's semantic layer.

pub(super) mod check;
pub(super) mod link;

use std::collections::HashMap;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::base::diagnostic::Diagnostic;
use crate::files::properties::{ColumnProperties, NodeProperties, Properties, not_one_of};
use crate::files::properties_metric::{MetricProperties, SavedQueryProperties};
use crate::files::properties_semantic::{ModelSemantics, SemanticModelProperties};
use crate::files::yaml::{Spanned, Yaml};
use crate::files::{Package, TextFile};
use crate::manifest::node::{Column, Detail, Node, NodeId, ResourceType};
use crate::manifest::semantic::{
    ColumnElement, Defaults, Dimension, DimensionTime, Element, Entity, ExportKind, Measure, MeasureInput, Metric,
    MetricKind, MetricParams, Named, SemanticModel, TimeSpine, Word,
};
use crate::parse::builder::{Builder, Declared};
use crate::parse::calls::{Call, parse_call};
use crate::parse::nodes::draft;

/// What all properties files say about the semantic layer; the number is the package's place in the project.
#[derive(Default)]
pub(super) struct Semantics {
    semantic_models: Vec<(usize, TextFile, SemanticModelProperties)>,
    models: Vec<(usize, TextFile, NodeProperties)>,
    metrics: Vec<(usize, TextFile, MetricProperties)>,
    saved_queries: Vec<(usize, TextFile, SavedQueryProperties)>,
}

impl Semantics {
    /// Takes over what one file says.
    pub fn take(&mut self, package: usize, file: &TextFile, properties: &mut Properties) {
        let placed = |one| (package, file.clone(), one);
        self.semantic_models.extend(std::mem::take(&mut properties.semantic_models).into_iter().map(placed));
        let placed = |one| (package, file.clone(), one);
        self.metrics.extend(std::mem::take(&mut properties.metrics).into_iter().map(placed));
        let placed = |one| (package, file.clone(), one);
        self.saved_queries.extend(std::mem::take(&mut properties.saved_queries).into_iter().map(placed));
        // As under dbt, the versions of a model have no semantic model of their own.
        let own = properties.models.iter().filter(|model| model.model.semantics.is_some());
        self.models.extend(
            own.filter(|model| model.model.versions.is_empty()).map(|model| (package, file.clone(), model.clone())),
        );
    }
}

impl<'a> Builder<'a> {
    /// Everything of the semantic layer.
    pub fn add_semantics(&mut self, read: &Semantics) {
        let packages = &self.project.packages;
        for (index, file, model) in &read.semantic_models {
            if let Some(package) = packages.get(*index) {
                self.add_semantic_model(package, file, model.clone());
            }
        }
        // What is switched off means nothing; that a model is not there is told elsewhere.
        let is_model = |node: &&Node| node.config.enabled && node.model().is_some();
        let columns: HashMap<NodeId, IndexMap<String, Column>> = match read.models.as_slice() {
            [] => HashMap::new(),
            _ => self.nodes.iter().filter(is_model).map(|node| (node.id.clone(), node.columns.clone())).collect(),
        };
        for (index, file, model) in &read.models {
            let Some(package) = packages.get(*index) else { continue };
            let id = NodeId::new(format!("model.{}.{}", package.name(), model.name.value));
            if let (Some(columns), Some(semantics)) = (columns.get(&id), &model.model.semantics) {
                self.add_own_semantics(package, file, (model, columns), semantics);
            }
        }
        for (index, file, metric) in &read.metrics {
            if let Some(package) = packages.get(*index) {
                self.add_metric(package, file, metric.clone());
            }
        }
        for (index, file, query) in &read.saved_queries {
            if let Some(package) = packages.get(*index) {
                self.add_saved_query(package, file, query);
            }
        }
    }

    fn add_semantic_model(&mut self, package: &'a Package, file: &TextFile, written: SemanticModelProperties) {
        let SemanticModelProperties { name, description, config, model, mut detail } = written;
        let mut draft = draft(ResourceType::SemanticModel, package, &name.value, &file.source.path, &file.relative);
        match parse_call(&detail.model, &model) {
            Some(Call::Ref(call)) => draft.declared.push(Declared::Ref(call)),
            _ => {
                let message = format!("`model` of semantic model `{}` is `{}`", name.value, detail.model);
                let diagnostic = Diagnostic::error("bad-relation", message).at(model, "");
                self.diagnostics.push(diagnostic.with_hint("write `ref('model')`"));
                return;
            }
        }
        let elements = detail.entities.iter_mut().map(|entity| &mut entity.element);
        let elements = elements.chain(detail.dimensions.iter_mut().map(|dimension| &mut dimension.element));
        for element in elements.chain(detail.measures.iter_mut().map(|measure| &mut measure.element)) {
            self.describe_element(package.name(), element);
        }
        draft.location = Some(name.location);
        draft.description = description;
        draft.own_config = config;
        let measures: Vec<Measure> = detail.measures.iter().filter(|measure| measure.makes_metric).cloned().collect();
        draft.detail = Detail::SemanticModel(Box::new(detail));
        self.add(draft);
        let Some((enabled, meta)) = self.nodes.last().map(|node| (node.config.enabled, node.config.meta.clone()))
        else {
            return;
        };
        for measure in measures {
            self.add_metric(package, file, metric_of(&measure, enabled, &meta));
        }
    }

    fn describe_element(&mut self, package: &str, element: &mut Element) {
        if let Some(text) = element.description.take() {
            let text = Spanned::new(text, element.location.clone());
            element.description = Some(self.describe(package, Some(&text)));
        }
    }

    /// The semantic model that a model describes with itself, and its metrics.
    fn add_own_semantics(
        &mut self,
        package: &'a Package,
        file: &TextFile,
        (model, columns): (&NodeProperties, &IndexMap<String, Column>),
        semantics: &ModelSemantics,
    ) {
        let mut entities: Vec<Entity> = Vec::new();
        let mut dimensions: Vec<Dimension> = Vec::new();
        for written in &model.columns {
            let Some(column) = columns.get(&written.name.value) else { continue };
            entities.extend(self.entity_of(package.name(), written, column));
            dimensions.extend(self.dimension_of(package.name(), written, column));
        }
        for mut own in semantics.entities.iter().cloned() {
            self.describe_element(package.name(), &mut own.element);
            entities.push(own);
        }
        for mut own in semantics.dimensions.iter().cloned() {
            self.describe_element(package.name(), &mut own.element);
            dimensions.push(own);
        }
        let name = semantics.name.as_ref().unwrap_or(&model.name).clone();
        let mut draft = draft(ResourceType::SemanticModel, package, &name.value, &file.source.path, &file.relative);
        let written = format!("ref('{}')", model.name.value);
        if let Some(Call::Ref(call)) = parse_call(&written, &model.name.location) {
            draft.declared.push(Declared::Ref(call));
        }
        draft.location = Some(name.location.clone());
        draft.description.clone_from(&model.description);
        draft.own_config.clone_from(&semantics.config);
        draft.detail = Detail::SemanticModel(Box::new(SemanticModel {
            model: written,
            of_model: true,
            label: None,
            defaults: Some(Defaults { agg_time_dimension: semantics.agg_time_dimension.clone() }),
            primary_entity: semantics.primary_entity.clone(),
            entities,
            dimensions,
            measures: Vec::new(),
        }));
        self.add(draft);
        for metric in &semantics.metrics {
            let mut metric = metric.clone();
            if let Some(aggregation) = &mut metric.detail.params.aggregation {
                aggregation.semantic_model = Named { name: name.value.clone(), location: name.location.clone() };
                if aggregation.agg_time_dimension.is_none() {
                    aggregation.agg_time_dimension.clone_from(&semantics.agg_time_dimension);
                }
            }
            self.add_metric(package, file, metric);
        }
    }

    /// What a column's dimension or entity has; what it does not say itself, the column says.
    fn element_of(
        &mut self,
        package: &str,
        written: &ColumnProperties,
        column: &Column,
        own: Option<&ColumnElement>,
        meta: IndexMap<String, Json>,
    ) -> Element {
        let own_name = own.and_then(|own| own.name.as_deref());
        let description = own.and_then(|own| own.description.clone()).map(|text| {
            let text = Spanned::new(text, written.name.location.clone());
            self.describe(package, Some(&text))
        });
        Element {
            name: own_name.unwrap_or(&column.name).to_owned(),
            location: written.name.location.clone(),
            description: Some(description.unwrap_or_else(|| column.description.clone())),
            label: own.and_then(|own| own.label.clone()),
            // Under another name, the column is what is meant.
            expr: own_name.filter(|name| *name != column.name).map(|_| column.name.clone()),
            meta,
        }
    }

    fn entity_of(&mut self, package: &str, written: &ColumnProperties, column: &Column) -> Option<Entity> {
        let entity = column.meaning.entity.as_ref()?;
        let own = entity.own.as_ref();
        let meta = own.and_then(|own| own.config.get("meta")).and_then(Json::as_object);
        let meta = match meta {
            Some(meta) => meta.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            None => column.meta.clone(),
        };
        Some(Entity { element: self.element_of(package, written, column, own, meta), kind: entity.kind, role: None })
    }

    fn dimension_of(&mut self, package: &str, written: &ColumnProperties, column: &Column) -> Option<Dimension> {
        let dimension = column.meaning.dimension.as_ref()?;
        let own = dimension.own.as_ref();
        let mut meta = column.meta.clone();
        if let Some(Json::Object(more)) = own.and_then(|own| own.config.get("meta")) {
            meta.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        let time = column.meaning.granularity.filter(|_| own.is_some());
        Some(Dimension {
            element: self.element_of(package, written, column, own, meta),
            kind: dimension.kind,
            is_partition: dimension.is_partition,
            time: time.map(|granularity| DimensionTime { granularity, validity: dimension.validity }),
        })
    }

    fn add_metric(&mut self, package: &'a Package, file: &TextFile, metric: MetricProperties) {
        let name = metric.name;
        let mut draft = draft(ResourceType::Metric, package, &name.value, &file.source.path, &file.relative);
        draft.location = Some(name.location);
        draft.description = metric.description;
        draft.own_config = metric.config;
        draft.detail = Detail::Metric(Box::new(metric.detail));
        self.add(draft);
    }

    fn add_saved_query(&mut self, package: &'a Package, file: &TextFile, written: &SavedQueryProperties) {
        let name = &written.name;
        let mut draft = draft(ResourceType::SavedQuery, package, &name.value, &file.source.path, &file.relative);
        draft.location = Some(name.location.clone());
        draft.description.clone_from(&written.description);
        draft.own_config.clone_from(&written.config);
        draft.detail = Detail::SavedQuery(Box::new(written.detail.clone()));
        self.add(draft);
        let Some(node) = self.nodes.last_mut() else { return };
        let inherited = node.config.raw.clone();
        let mut problems = Vec::new();
        let exports = written.exports.iter().filter_map(|export| {
            export.resolve(&inherited, &mut |place, word| {
                let known: Vec<&str> = ExportKind::ALL.iter().map(|kind| kind.as_str()).collect();
                problems.push(match word {
                    Some(word) => not_one_of("export_as", word, place, &known),
                    None => {
                        let message = format!("export `{}` has no `export_as`", export.name.value);
                        let diagnostic = Diagnostic::error("missing-key", message).at(place.clone(), "");
                        diagnostic.with_hint("say `config: {export_as: table}` or `view`")
                    }
                });
            })
        });
        let exports = exports.collect();
        if let Detail::SavedQuery(query) = &mut node.detail {
            query.exports = exports;
        }
        for problem in problems {
            self.diagnostics.push(problem);
        }
    }

    /// The table of times that a model says to be, held against its columns.
    pub fn time_spine(&mut self, model: &str, spine: &TimeSpine, columns: &IndexMap<String, Column>) {
        let known = columns.keys().map(String::as_str);
        let unknown = |named: &Named, column: &str| {
            let message = format!("the time spine of model `{model}` has no column `{column}`");
            let diagnostic = Diagnostic::error("bad-time-spine", message).at(named.location.clone(), "");
            match crate::base::diagnostic::did_you_mean(column, known.clone()) {
                Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
                None => diagnostic.with_hint("describe the column below `columns:` of the model"),
            }
        };
        match columns.get(&spine.column.name) {
            None => self.diagnostics.push(unknown(&spine.column, &spine.column.name)),
            Some(column) if column.meaning.granularity.is_none() => {
                let message = format!("the column `{}` of the time spine has no `granularity`", spine.column.name);
                let diagnostic = Diagnostic::error("bad-time-spine", message).at(spine.column.location.clone(), "");
                self.diagnostics.push(diagnostic.with_hint("say it with the column, such as `granularity: day`"));
            }
            Some(_) => {}
        }
        for (name, column) in &spine.custom {
            let column = column.as_ref().unwrap_or(&name.name);
            if !columns.contains_key(column) {
                self.diagnostics.push(unknown(name, column));
            }
        }
    }
}

/// The metric that a measure with `create_metric` makes, as dbt writes it.
fn metric_of(measure: &Measure, enabled: bool, meta: &IndexMap<String, Json>) -> MetricProperties {
    let element = &measure.element;
    let (name, place) = (&element.name, &element.location);
    let entry = |key: &str, value: Json| (Spanned::new(key.to_owned(), place.clone()), Yaml::from_json(&value, place));
    let text = element.description.clone().filter(|text| !text.is_empty());
    let text = text.unwrap_or_else(|| format!("Metric created from measure {name}"));
    let input = MeasureInput {
        name: name.clone(),
        location: place.clone(),
        filter: None,
        alias: None,
        join_to_timespine: false,
        fill_nulls_with: None,
    };
    let expr = element.expr.clone().unwrap_or_else(|| name.clone());
    let params = MetricParams { measure: Some(input), expr: Some(expr), ..MetricParams::default() };
    MetricProperties {
        name: Spanned::new(name.clone(), place.clone()),
        description: Some(Spanned::new(text, place.clone())),
        config: vec![entry("enabled", json!(enabled)), entry("meta", json!(meta))],
        detail: Metric {
            label: element.label.clone().unwrap_or_else(|| name.clone()),
            kind: MetricKind::Simple,
            params,
            filter: None,
            time_granularity: None,
            meta: IndexMap::new(),
            tags: Vec::new(),
        },
    }
}
