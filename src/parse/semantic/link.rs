//! What metrics, exposures and kept queries are made from: measures, metrics and semantic models by their names.

use std::collections::BTreeMap;

use crate::base::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::base::source::Location;
use crate::manifest::node::{Detail, Node, NodeId, ResourceType};
use crate::manifest::semantic::{MetricAggregation, MetricKind};

/// What the names of the semantic layer are looked up in.
pub(in crate::parse) struct SemanticIndex<'a> {
    root: &'a str,
    metrics: BTreeMap<&'a str, Vec<&'a Node>>,
    models: BTreeMap<&'a str, Vec<&'a Node>>,
    /// The semantic models by the measures that they have.
    measures: BTreeMap<&'a str, Vec<&'a Node>>,
}

/// A name that leads to no parent.
struct Unknown<'n> {
    code: &'static str,
    /// What is looked for, such as `metric`.
    what: &'static str,
    name: &'n str,
    place: &'n Location,
}

impl<'a> SemanticIndex<'a> {
    /// The index of all nodes, disabled ones too.
    pub fn new(nodes: &'a [Node], root: &'a str) -> Self {
        let (metrics, models, measures) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut index = Self { root, metrics, models, measures };
        for node in nodes {
            match &node.detail {
                Detail::Metric(_) => index.metrics.entry(&node.name).or_default().push(node),
                Detail::SemanticModel(model) => {
                    index.models.entry(&node.name).or_default().push(node);
                    for measure in &model.measures {
                        index.measures.entry(&measure.element.name).or_default().push(node);
                    }
                }
                _ => {}
            }
        }
        index
    }

    /// The parents of a node that are part of the semantic layer, in dbt's order.
    pub fn parents(&self, node: &Node, diagnostics: &mut Diagnostics) -> Vec<NodeId> {
        let mut found = Vec::new();
        let mut take = |result: Result<NodeId, Box<Diagnostic>>| match result {
            Ok(id) => found.push(id),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        };
        match &node.detail {
            Detail::Metric(metric) => {
                for input in metric.measures() {
                    take(self.measure(node, &input.name, &input.location));
                }
                if let Some(aggregation) = &metric.params.aggregation
                    && metric.kind == MetricKind::Simple
                {
                    take(self.own_model(node, aggregation));
                }
                for input in metric.inputs() {
                    take(self.metric(node, None, &input.name, &input.location));
                }
            }
            Detail::Exposure(exposure) => {
                for call in &exposure.metrics {
                    take(self.metric(node, call.package.as_deref(), &call.name, &call.location));
                }
            }
            Detail::SavedQuery(query) => {
                for call in &query.metrics {
                    take(self.metric(node, None, &call.name, &call.location));
                }
            }
            _ => {}
        }
        found
    }

    fn metric(
        &self,
        node: &Node,
        package: Option<&str>,
        name: &str,
        place: &Location,
    ) -> Result<NodeId, Box<Diagnostic>> {
        let unknown = Unknown { code: "unknown-metric", what: "metric", name, place };
        self.find(&self.metrics, node, package, &unknown).map(|found| found.id.clone())
    }

    fn measure(&self, node: &Node, name: &str, place: &Location) -> Result<NodeId, Box<Diagnostic>> {
        let unknown = Unknown { code: "unknown-measure", what: "measure", name, place };
        self.find(&self.measures, node, None, &unknown).map(|found| found.id.clone())
    }

    fn own_model(&self, node: &Node, aggregation: &MetricAggregation) -> Result<NodeId, Box<Diagnostic>> {
        let named = &aggregation.semantic_model;
        let place = node.location.as_ref().unwrap_or(&named.location);
        let unknown = Unknown { code: "unknown-metric", what: "semantic model", name: &named.name, place };
        self.find(&self.models, node, Some(&node.package), &unknown).map(|found| found.id.clone())
    }

    /// The node's own package first, then the root project, then any.
    fn find(
        &self,
        among: &BTreeMap<&'a str, Vec<&'a Node>>,
        node: &Node,
        package: Option<&str>,
        wanted: &Unknown<'_>,
    ) -> Result<&'a Node, Box<Diagnostic>> {
        let named = among.get(wanted.name).map(Vec::as_slice).unwrap_or_default();
        let fits = |other: &&&Node| package.is_none_or(|package| other.package == package);
        let all: Vec<&Node> = named.iter().filter(fits).copied().collect();
        let from = |package: &str| all.iter().find(|other| other.config.enabled && other.package == package);
        let enabled = || all.iter().find(|other| other.config.enabled);
        if let Some(found) = from(&node.package).or_else(|| from(self.root)).or_else(enabled) {
            return Ok(found);
        }
        let (what, name) = (wanted.what, wanted.name);
        let of = format!("used by {} `{}`", node.resource_type.as_str().replace('_', " "), node.name);
        let diagnostic = |message: String| Diagnostic::error(wanted.code, message).at(wanted.place.clone(), of.clone());
        if let Some(other) = all.first() {
            let message = match other.resource_type {
                ResourceType::SemanticModel if what == "measure" => {
                    format!("the measure `{name}` is of the semantic model `{}`, which is disabled", other.name)
                }
                _ => format!("the {what} `{name}` is disabled"),
            };
            return Err(Box::new(diagnostic(message).with_hint("enable it, or disable what uses it")));
        }
        let diagnostic = diagnostic(format!("there is no {what} `{name}`"));
        Err(Box::new(match did_you_mean(name, among.keys().copied()) {
            Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
            None if what == "measure" && self.metrics.contains_key(name) => {
                diagnostic.with_hint(format!("there is a metric `{name}`, which is no measure"))
            }
            None => diagnostic,
        }))
    }
}
