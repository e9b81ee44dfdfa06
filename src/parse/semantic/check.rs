//! The rules of dbt's semantic layer that go beyond a single line: those of its validator
//! (`metricflow_semantic_interfaces`) that are errors there, as far as they do not ask what a query would do.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::base::source::Location;
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Node, ResourceType};
use crate::manifest::semantic::{
    Aggregation, Dimension, DimensionKind, Element, EntityKind, Granularity, MeasureInput, Metric, MetricKind, Named,
    NonAdditive, Percentile, SemanticModel, Window, Word,
};

/// The model that is the table of all days without saying so.
pub const OLD_TIME_SPINE: &str = "metricflow_time_spine";

/// Names that queries over metrics use themselves.
const RESERVED: [&str; 2] = ["metric_time", "mf_internal_uuid"];

/// Checks everything of the semantic layer. As under dbt, semantic models without metrics, or metrics without semantic
/// models, are not looked at.
pub(in crate::parse) fn check(manifest: &Manifest, diagnostics: &mut Diagnostics) {
    let of = |kind| manifest.of_type(kind).map(AsRef::as_ref);
    let models: Vec<(&Node, &SemanticModel)> =
        of(ResourceType::SemanticModel).filter_map(|node| Some((node, node.semantic_model()?))).collect();
    let metrics: Vec<(&Node, &Metric)> =
        of(ResourceType::Metric).filter_map(|node| Some((node, node.metric()?))).collect();
    let Some((first, _)) = models.first() else { return };
    if !has_time_spine(manifest) {
        let message = "there are semantic models, but no model is the table of all days";
        let diagnostic = Diagnostic::error("missing-time-spine", message).at_maybe(first.location.clone(), "");
        let hint = "give a model with one row per day `time_spine: {standard_granularity_column: ...}`, and its \
                    column `granularity: day`";
        diagnostics.push(diagnostic.with_hint(hint));
    }
    if metrics.is_empty() {
        return;
    }
    let by_name = models.iter().map(|(node, model)| ((node.package.as_str(), node.name.as_str()), (*node, *model)));
    let mut rules = Rules {
        models: &models,
        by_name: by_name.collect(),
        metrics: &metrics,
        custom: custom_granularities(manifest),
        diagnostics,
    };
    rules.models();
    rules.measures();
    for (node, metric) in &metrics {
        rules.metric(node, metric);
    }
    rules.labels();
}

/// Whether a model has one row per day, or more.
fn has_time_spine(manifest: &Manifest) -> bool {
    let is_fine = |node: &Node| {
        let Some(spine) = node.model().and_then(|model| model.time_spine.as_ref()) else { return false };
        // What is wrong with its column is told already.
        let granularity = node.columns.get(&spine.column.name).and_then(|column| column.meaning.granularity);
        granularity.is_none_or(|granularity| granularity <= Granularity::Day)
    };
    manifest.of_type(ResourceType::Model).any(|node| is_fine(node))
        || !manifest.find_refable(None, OLD_TIME_SPINE).is_empty()
}

/// The granularities that the project has defined.
fn custom_granularities(manifest: &Manifest) -> BTreeSet<&str> {
    let spines = manifest.of_type(ResourceType::Model).filter_map(|node| node.model()?.time_spine.as_ref());
    spines.flat_map(|spine| spine.custom.iter().map(|(name, _)| name.name.as_str())).collect()
}

struct Rules<'a> {
    models: &'a [(&'a Node, &'a SemanticModel)],
    /// The same by package and name.
    by_name: BTreeMap<(&'a str, &'a str), (&'a Node, &'a SemanticModel)>,
    metrics: &'a [(&'a Node, &'a Metric)],
    custom: BTreeSet<&'a str>,
    diagnostics: &'a mut Diagnostics,
}

/// What aggregates rows: a measure, or a metric of the newer form.
struct Aggregate<'a> {
    code: &'static str,
    /// How bad what does not fit is: dbt looks at measures alone.
    severity: Severity,
    /// What it is, for messages.
    what: String,
    place: &'a Location,
    aggregation: Aggregation,
    expr: Option<&'a str>,
    percentile: Percentile,
    /// The time by which it is aggregated, or the one of the semantic model.
    time: Option<&'a Named>,
    non_additive: Option<&'a NonAdditive>,
}

impl<'a> Rules<'a> {
    fn complain(&mut self, code: &'static str, message: String, place: &Location) {
        self.diagnostics.push(Diagnostic::error(code, message).at(place.clone(), ""));
    }

    fn advise(&mut self, code: &'static str, message: String, place: &Location, hint: &str) {
        self.diagnostics.push(Diagnostic::error(code, message).at(place.clone(), "").with_hint(hint));
    }

    /// Something about what aggregates rows.
    fn object(&mut self, to: &Aggregate<'_>, message: String, place: &Location, hint: Option<&str>) {
        let mut diagnostic = Diagnostic::error(to.code, message).at(place.clone(), "");
        diagnostic.severity = to.severity;
        self.diagnostics.push(match hint {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        });
    }

    /// A name of the semantic layer is a column of its queries.
    fn name(&mut self, code: &'static str, what: &str, name: &str, place: &Location) {
        let mut letters = name.chars();
        let starts = letters.next().is_some_and(|first| first.is_ascii_lowercase());
        let fits = name.chars().all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '_'));
        if !starts || !fits || name.len() < 2 || name.ends_with('_') || name.contains("__") {
            let message = format!("`{name}` can't be the name of a {what}");
            let hint = "use at least two of: small letters, digits and single `_`, beginning with a letter and not \
                        ending with `_`";
            self.advise(code, message, place, hint);
        } else if Granularity::parse(name).is_some() || RESERVED.contains(&name) {
            let message = format!("`{name}` can't be the name of a {what}: queries of metrics use it for time");
            self.complain(code, message, place);
        }
    }

    fn models(&mut self) {
        let mut pairs: BTreeMap<(&str, &str), &Node> = BTreeMap::new();
        for (node, model) in self.models {
            if let Some(place) = &node.location {
                self.name("bad-semantic-model", "semantic model", &node.name, place);
            }
            self.elements(node, model);
            self.primary_entity(node, model);
            self.validity(node, model);
            if let Some(time) = model.defaults.as_ref().and_then(|defaults| defaults.agg_time_dimension.as_ref()) {
                self.time_dimension(node, model, time, Severity::Error);
            }
            let primary = model.entities.iter().find(|entity| entity.kind == EntityKind::Primary);
            let primary =
                model.primary_entity.as_deref().or_else(|| primary.map(|entity| entity.element.name.as_str()));
            let Some(primary) = primary else { continue };
            for dimension in &model.dimensions {
                let element = &dimension.element;
                if let Some(other) = pairs.insert((primary, &element.name), node)
                    && other.id != node.id
                {
                    let message = format!(
                        "the semantic models `{}` and `{}` both have the entity `{primary}` and the dimension `{}`",
                        other.name, node.name, element.name
                    );
                    self.advise("bad-semantic-model", message, &element.location, "rename one of the dimensions");
                }
            }
        }
    }

    /// Names within a semantic model.
    fn elements(&mut self, node: &Node, model: &'a SemanticModel) {
        let entities = model.entities.iter().map(|entity| ("entity", &entity.element));
        let dimensions = model.dimensions.iter().map(|dimension| ("dimension", &dimension.element));
        let measures = model.measures.iter().map(|measure| ("measure", &measure.element));
        let mut seen: BTreeMap<&str, (&str, &Element)> = BTreeMap::new();
        for (what, element) in entities.chain(dimensions).chain(measures) {
            self.name("bad-semantic-model", what, &element.name, &element.location);
            let Some((other, first)) = seen.insert(&element.name, (what, element)) else { continue };
            let message = if other == what {
                format!("the semantic model `{}` has two {what} elements `{}`", node.name, element.name)
            } else {
                format!("the semantic model `{}` has the name `{}` for a {other} and a {what}", node.name, element.name)
            };
            self.diagnostics.push(
                Diagnostic::error("bad-semantic-model", message)
                    .at(element.location.clone(), "again here")
                    .at(first.location.clone(), "first here")
                    .with_hint("rename one of them; `expr` says which column is meant"),
            );
        }
    }

    fn primary_entity(&mut self, node: &Node, model: &SemanticModel) {
        let Some(place) = &node.location else { return };
        let primary: Vec<_> = model.entities.iter().filter(|entity| entity.kind == EntityKind::Primary).collect();
        match (primary.as_slice(), &model.primary_entity) {
            ([], None) if !model.dimensions.is_empty() => {
                let message = format!("the semantic model `{}` has dimensions, but no primary entity", node.name);
                let hint = "give one of its entities `type: primary`, or name what a row is about in `primary_entity`";
                self.advise("bad-semantic-model", message, place, hint);
            }
            ([one, ..], Some(name)) => {
                let message = format!(
                    "the semantic model `{}` has `primary_entity: {name}` and the primary entity `{}`",
                    node.name, one.element.name
                );
                self.advise("bad-semantic-model", message, &one.element.location, "keep one of the two");
            }
            ([_, another, ..], None) => {
                let message = format!("the semantic model `{}` has more than one primary entity", node.name);
                let hint = "make all but one of them `unique`";
                self.advise("bad-semantic-model", message, &another.element.location, hint);
            }
            _ => {}
        }
    }

    /// Two dimensions say from when until when a row holds, and a natural entity says of what.
    fn validity(&mut self, node: &Node, model: &SemanticModel) {
        let ends: Vec<(&Dimension, bool, bool)> = model
            .dimensions
            .iter()
            .filter_map(|one| one.time?.validity.map(|validity| (one, validity.is_start, validity.is_end)))
            .collect();
        let natural = model.entities.iter().find(|entity| entity.kind == EntityKind::Natural);
        let Some((first, ..)) = ends.first() else {
            if let Some(entity) = natural {
                let message = format!("the semantic model `{}` has a natural entity, but no validity", node.name);
                let hint = "say with `validity_params` which dimensions begin and end the time in which a row holds";
                self.advise("bad-semantic-model", message, &entity.element.location, hint);
            }
            return;
        };
        let place = &first.element.location;
        let starts = ends.iter().filter(|(_, is_start, _)| *is_start).count();
        let stops = ends.iter().filter(|(_, _, is_end)| *is_end).count();
        if ends.len() != 2 || starts != 1 || stops != 1 {
            let message = format!("the validity of the semantic model `{}` has no beginning and end", node.name);
            let hint = "give two dimensions `validity_params`: one with `is_start: true`, one with `is_end: true`";
            self.advise("bad-semantic-model", message, place, hint);
        }
        let key = |kind| matches!(kind, EntityKind::Primary | EntityKind::Unique);
        if natural.is_none() || model.entities.iter().any(|entity| key(entity.kind)) {
            let message =
                format!("the rows of the semantic model `{}` hold for a time, without a natural key", node.name);
            let hint = "give it one entity of `type: natural`, and none that is `primary` or `unique`";
            self.advise("bad-semantic-model", message, place, hint);
        }
        if let Some(measure) = model.measures.first() {
            let message =
                format!("the rows of the semantic model `{}` hold for a time, so it has no measures", node.name);
            self.complain("bad-semantic-model", message, &measure.element.location);
        }
    }

    /// Whether a name is a dimension of time of a semantic model; if not, that is told.
    fn time_dimension(
        &mut self,
        node: &Node,
        model: &'a SemanticModel,
        time: &Named,
        severity: Severity,
    ) -> Option<&'a Dimension> {
        let found = model.dimensions.iter().find(|dimension| dimension.element.name == time.name);
        let found = found.filter(|dimension| dimension.kind == DimensionKind::Time);
        if found.is_none() {
            let message = format!("the semantic model `{}` has no dimension of time `{}`", node.name, time.name);
            let known = model.dimensions.iter().filter(|dimension| dimension.kind == DimensionKind::Time);
            let known = known.map(|dimension| dimension.element.name.as_str());
            let mut diagnostic =
                Diagnostic::error("bad-semantic-model", message).at(time.location.clone(), "`agg_time_dimension`");
            diagnostic.severity = severity;
            self.diagnostics.push(match crate::base::diagnostic::did_you_mean(&time.name, known) {
                Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
                None => diagnostic,
            });
        }
        found
    }

    fn measures(&mut self) {
        let mut seen: BTreeMap<&str, (&Node, &Element)> = BTreeMap::new();
        for (node, model) in self.models {
            for measure in &model.measures {
                let element = &measure.element;
                if let Some((other, first)) = seen.insert(&element.name, (node, element))
                    && other.id != node.id
                {
                    let message = format!(
                        "the semantic models `{}` and `{}` both have a measure `{}`",
                        other.name, node.name, element.name
                    );
                    self.diagnostics.push(
                        Diagnostic::error("bad-semantic-model", message)
                            .at(element.location.clone(), "again here")
                            .at(first.location.clone(), "first here")
                            .with_hint("rename one of them; `expr` says which column is meant"),
                    );
                }
                let aggregate = Aggregate {
                    code: "bad-semantic-model",
                    severity: Severity::Error,
                    what: format!("measure `{}`", element.name),
                    place: &element.location,
                    aggregation: measure.aggregation,
                    expr: element.expr.as_deref(),
                    percentile: measure.percentile.unwrap_or_default(),
                    time: measure.agg_time_dimension.as_ref(),
                    non_additive: measure.non_additive.as_ref(),
                };
                self.aggregate(node, model, &aggregate);
            }
        }
    }

    fn aggregate(&mut self, node: &Node, model: &'a SemanticModel, what: &Aggregate<'_>) {
        self.arguments(what);
        let default = model.defaults.as_ref().and_then(|defaults| defaults.agg_time_dimension.as_ref());
        let time = match (what.time, default) {
            (Some(time), Some(default)) if time.location == default.location => {
                // What is wrong with the default is told once, with the semantic model.
                model.dimensions.iter().find(|dimension| dimension.element.name == default.name)
            }
            (Some(time), _) => self.time_dimension(node, model, time, what.severity),
            (None, Some(default)) => model.dimensions.iter().find(|dimension| dimension.element.name == default.name),
            (None, None) => {
                let message = format!("{} has no time by which it is aggregated", what.what);
                let hint = "name a dimension of time in `agg_time_dimension`, here or for the whole semantic model";
                self.object(what, message, what.place, Some(hint));
                None
            }
        };
        if let (Some(non_additive), Some(time)) = (what.non_additive, time) {
            self.non_additive(model, what, non_additive, time);
        }
    }

    /// Arguments of an aggregation.
    fn arguments(&mut self, what: &Aggregate<'_>) {
        let (name, percentile) = (&what.what, what.percentile);
        match what.aggregation {
            Aggregation::Percentile => {
                if percentile.share.is_none_or(|share| share <= 0.0 || share >= 1.0) {
                    let message = format!("{name} is a percentile, but not between 0 and 1");
                    let hint = "say which, such as `percentile: 0.9`; what lies at the ends is `min` and `max`";
                    self.object(what, message, what.place, Some(hint));
                }
            }
            Aggregation::Median => {
                let is_half = |share: f64| (share - 0.5).abs() < f64::EPSILON;
                let is_other = percentile.share.is_some_and(|share| !is_half(share)) || percentile.is_discrete;
                if is_other {
                    let message = format!("{name} is a median, and says of which percentile");
                    self.object(what, message, what.place, Some("take the arguments away"));
                }
            }
            other => {
                if percentile.share.is_some() || percentile.is_discrete || percentile.is_approximate {
                    let message = format!("{name} is a `{}`, and says of which percentile", other.as_str());
                    self.object(what, message, what.place, Some("take the arguments away, or make it a `percentile`"));
                }
            }
        }
        if what.aggregation == Aggregation::Count {
            match what.expr {
                None => {
                    let message = format!("{name} counts, but does not say what");
                    // dbt breaks off at it in both forms.
                    self.advise(what.code, message, what.place, "`expr: 1` counts all rows");
                }
                Some(expr) if expr.to_lowercase().starts_with("distinct ") => {
                    let message = format!("{name} counts what differs, which is no `count`");
                    self.object(what, message, what.place, Some("make it a `count_distinct`"));
                }
                Some(_) => {}
            }
        }
    }

    fn non_additive(&mut self, model: &SemanticModel, what: &Aggregate<'_>, own: &NonAdditive, time: &Dimension) {
        let (name, place) = (&own.dimension.name, &own.dimension.location);
        let found = model.dimensions.iter().find(|dimension| dimension.element.name == *name);
        match found.filter(|dimension| dimension.kind == DimensionKind::Time) {
            None => {
                let message = format!("{} does not add up over `{name}`, which is no dimension of time", what.what);
                self.object(what, message, place, None);
            }
            Some(dimension) => {
                let granularity = |of: &Dimension| of.time.map(|time| time.granularity);
                if let (Some(own), Some(time)) = (granularity(dimension), granularity(time))
                    && own != time
                {
                    let message = format!(
                        "{} does not add up over `{name}` by {}, but is aggregated by {}",
                        what.what,
                        own.as_str(),
                        time.as_str()
                    );
                    self.object(what, message, place, None);
                }
            }
        }
        if !matches!(own.choice, Aggregation::Min | Aggregation::Max) {
            let message = format!("{} takes the `{}` of `{name}`", what.what, own.choice.as_str());
            self.object(what, message, place, Some("it can be `min` or `max`"));
        }
        for grouping in &own.groupings {
            if !model.entities.iter().any(|entity| entity.element.name == *grouping) {
                let message = format!("{} is grouped by `{grouping}`, which is no entity of its model", what.what);
                self.object(what, message, place, None);
            }
        }
    }

    fn metric(&mut self, node: &Node, metric: &'a Metric) {
        let Some(place) = &node.location else { return };
        self.name("bad-metric", "metric", &node.name, place);
        if let Some(aggregation) = &metric.params.aggregation
            && let Some((owner, model)) =
                self.by_name.get(&(node.package.as_str(), aggregation.semantic_model.name.as_str())).copied()
        {
            let aggregate = Aggregate {
                code: "bad-metric",
                severity: Severity::Warning,
                what: format!("metric `{}`", node.name),
                place,
                aggregation: aggregation.aggregation,
                expr: metric.params.expr.as_deref(),
                percentile: aggregation.percentile,
                time: aggregation.agg_time_dimension.as_ref(),
                non_additive: aggregation.non_additive.as_ref(),
            };
            self.aggregate(owner, model, &aggregate);
        }
        match metric.kind {
            MetricKind::Cumulative => self.cumulative(node, metric, place),
            MetricKind::Derived => self.derived(node, metric),
            MetricKind::Conversion => self.conversion(node, metric),
            MetricKind::Simple | MetricKind::Ratio => {}
        }
    }

    fn cumulative(&mut self, node: &Node, metric: &Metric, place: &Location) {
        let Some(cumulative) = &metric.params.cumulative else { return };
        if let (Some(old), Some(new)) = (&metric.params.window, &cumulative.window)
            && old != new
        {
            let message = format!("the metric `{}` has two different windows", node.name);
            self.advise("bad-metric", message, place, "keep the one in `cumulative_type_params`");
        }
        if cumulative.window.is_some() && cumulative.grain_to_date.is_some() {
            let message = format!("the metric `{}` has both a `window` and a `grain_to_date`", node.name);
            self.advise("bad-metric", message, place, "keep one of the two");
        }
        if let Some(grain) = &cumulative.grain_to_date {
            self.granularity(node, grain, false, place);
        }
        if let Some(window) = &cumulative.window {
            self.granularity(node, &window.granularity, false, place);
        }
    }

    /// A granularity of dbt, or one of the project where that is allowed.
    fn granularity(&mut self, node: &Node, name: &str, allows_custom: bool, place: &Location) {
        let singular = name.strip_suffix('s').unwrap_or(name);
        if Granularity::parse(name).is_some() {
            return;
        }
        let is_custom = self.custom.contains(name) || self.custom.contains(singular);
        if is_custom && allows_custom {
            return;
        }
        let known: Vec<String> = Granularity::ALL.iter().map(|word| format!("`{}`", word.as_str())).collect();
        let message = format!("the metric `{}` counts time in `{name}`", node.name);
        let diagnostic = Diagnostic::error("bad-metric", message).at(place.clone(), "");
        let diagnostic = diagnostic.with_note(format!("it can be {}", known.join(", ")));
        self.diagnostics.push(if is_custom {
            diagnostic.with_hint("granularities of the project cannot be used here")
        } else {
            diagnostic
        });
    }

    fn derived(&mut self, node: &Node, metric: &Metric) {
        let inputs = &metric.params.metrics;
        let names: BTreeSet<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        for input in inputs {
            if let Some(alias) = &input.alias {
                self.name("bad-metric", "metric", alias, &input.location);
                if names.contains(alias.as_str()) {
                    let message = format!("the metric `{}` has two inputs of the name `{alias}`", node.name);
                    self.advise("bad-metric", message, &input.location, "choose another `alias`");
                }
            }
            if input.offset_window.is_some() && input.offset_to_grain.is_some() {
                let message = format!("`{}` of the metric `{}` is moved in time in two ways", input.name, node.name);
                let hint = "keep `offset_window` or `offset_to_grain`";
                self.advise("bad-metric", message, &input.location, hint);
            }
            if let Some(Window { granularity, .. }) = &input.offset_window {
                self.granularity(node, granularity, true, &input.location);
            }
            if let Some(grain) = &input.offset_to_grain {
                self.granularity(node, grain, false, &input.location);
            }
            let used = input.alias.as_ref().unwrap_or(&input.name);
            if metric.params.expr.as_ref().is_some_and(|expr| !expr.contains(used.as_str())) {
                let message = format!("the expression of the metric `{}` does not use `{used}`", node.name);
                let diagnostic = Diagnostic::warning("unused-input", message).at(input.location.clone(), "");
                self.diagnostics.push(diagnostic.with_hint("use it in `expr`, or take it away"));
            }
        }
    }

    /// What is counted in a conversion must be a number of things.
    fn conversion(&mut self, node: &Node, metric: &Metric) {
        for MeasureInput { name, location, .. } in metric.measures() {
            let measures = self.models.iter().flat_map(|(_, model)| &model.measures);
            let Some(measure) = measures.into_iter().find(|measure| measure.element.name == *name) else { continue };
            self.counts(node, name, measure.aggregation, measure.element.expr.as_deref(), location);
        }
        for input in metric.inputs() {
            let Some((_, other)) = self.metrics.iter().find(|(other, _)| other.name == input.name) else { continue };
            let Some(aggregation) = &other.params.aggregation else {
                let message = format!("the metric `{}` converts `{}`, which is not simple", node.name, input.name);
                self.complain("bad-metric", message, &input.location);
                continue;
            };
            self.counts(node, &input.name, aggregation.aggregation, other.params.expr.as_deref(), &input.location);
        }
    }

    fn counts(&mut self, node: &Node, name: &str, how: Aggregation, expr: Option<&str>, place: &Location) {
        let counts = match how {
            Aggregation::Count | Aggregation::CountDistinct => true,
            Aggregation::Sum => expr == Some("1"),
            _ => false,
        };
        if !counts {
            let message = format!(
                "the metric `{}` converts `{name}`, which is a `{}` and no number of things",
                node.name,
                how.as_str()
            );
            self.advise("bad-metric", message, place, "it can be a `count`, a `count_distinct` or a `sum` of 1");
        }
    }

    /// Titles tell apart what they belong to.
    fn labels(&mut self) {
        let mut seen: BTreeMap<&str, &Node> = BTreeMap::new();
        for (node, metric) in self.metrics {
            if let Some(other) = seen.insert(&metric.label, node) {
                self.same_label("bad-metric", "metrics", &metric.label, other, node);
            }
        }
        let mut seen: BTreeMap<&str, &Node> = BTreeMap::new();
        for (node, model) in self.models {
            let Some(label) = &model.label else { continue };
            if let Some(other) = seen.insert(label, node) {
                self.same_label("bad-semantic-model", "semantic models", label, other, node);
            }
        }
    }

    fn same_label(&mut self, code: &'static str, what: &str, label: &str, one: &Node, other: &Node) {
        let message = format!("the {what} `{}` and `{}` have the same label `{label}`", one.name, other.name);
        self.diagnostics.push(
            Diagnostic::error(code, message)
                .at_maybe(other.location.clone(), "again here")
                .at_maybe(one.location.clone(), "first here")
                .with_hint("give one of them another `label`"),
        );
    }
}
