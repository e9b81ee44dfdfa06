//! Semantic models, metrics and kept queries in dbt's shapes, and what columns and tables of times say of them.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::{depends_on, put, refs_json, slashes, sources_json};
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Column, Detail, Node, NodeId};
use crate::manifest::semantic::{
    ColumnElement, Conversion, Cumulative, Dimension, Element, Entity, Export, Measure, MeasureInput, Metric,
    MetricAggregation, MetricCall, MetricInput, MetricKind, NonAdditive, Percentile, SavedQuery, SemanticModel,
    TimeSpine, Validity, Window, Word,
};

/// A node of the semantic layer; `None` for others.
pub(super) fn node(manifest: Option<&Manifest>, node: &Node, created_at: f64) -> Option<Json> {
    let mut keys = Map::new();
    put(
        &mut keys,
        [
            ("name", json!(node.name)),
            ("resource_type", json!(node.resource_type.as_str())),
            ("package_name", json!(node.package)),
            ("path", json!(slashes(&node.relative_path))),
            ("original_file_path", json!(slashes(node.path_in_package(&node.path)))),
            ("unique_id", json!(node.id.as_str())),
            ("fqn", json!(node.fqn)),
        ],
    );
    match &node.detail {
        Detail::SemanticModel(model) => semantic_model(&mut keys, manifest, node, model),
        Detail::Metric(own) => metric(&mut keys, manifest, node, own),
        Detail::SavedQuery(query) => saved_query(&mut keys, manifest, node, query),
        _ => return None,
    }
    put(
        &mut keys,
        [
            ("metadata", Json::Null),
            ("unrendered_config", json!(node.config.unrendered)),
            ("group", json!(node.config.group)),
            ("depends_on", depends_on(node)),
            ("refs", refs_json(node)),
            ("created_at", json!(created_at)),
        ],
    );
    Some(Json::Object(keys))
}

/// A metric call as dbt lists it: the name, with the package before it if it was given.
pub(super) fn call(call: &MetricCall) -> Json {
    match &call.package {
        Some(package) => json!([package, call.name]),
        None => json!([call.name]),
    }
}

/// What a column is to the semantic layer.
pub(super) fn column(column: &Column) -> [(&'static str, Json); 3] {
    let meaning = &column.meaning;
    let own = |own: &ColumnElement| {
        let mut keys = Map::new();
        put(
            &mut keys,
            [
                ("name", json!(own.name.as_ref().unwrap_or(&column.name))),
                ("description", json!(own.description.as_ref().unwrap_or(&column.description))),
                ("label", json!(own.label)),
                ("config", json!(own.config)),
            ],
        );
        keys
    };
    let dimension = meaning.dimension.as_ref().map(|dimension| match &dimension.own {
        None => json!(dimension.kind.as_str()),
        Some(element) => {
            let mut keys = own(element);
            put(
                &mut keys,
                [
                    ("type", json!(dimension.kind.as_str())),
                    ("is_partition", json!(dimension.is_partition)),
                    ("validity_params", validity(dimension.validity)),
                ],
            );
            Json::Object(keys)
        }
    });
    let entity = meaning.entity.as_ref().map(|entity| match &entity.own {
        None => json!(entity.kind.as_str()),
        Some(element) => {
            let mut keys = own(element);
            put(&mut keys, [("type", json!(entity.kind.as_str()))]);
            Json::Object(keys)
        }
    });
    [
        ("granularity", json!(meaning.granularity.map(Word::as_str))),
        ("dimension", json!(dimension)),
        ("entity", json!(entity)),
    ]
}

/// `time_spine` of a model.
pub(in crate::record) fn time_spine(spine: &TimeSpine) -> Json {
    let custom = spine.custom.iter().map(|(name, column)| json!({"name": name.name, "column_name": column}));
    json!({
        "standard_granularity_column": spine.column.name,
        "custom_granularities": custom.collect::<Vec<_>>(),
    })
}

fn semantic_model(keys: &mut Map<String, Json>, manifest: Option<&Manifest>, node: &Node, model: &SemanticModel) {
    let described = model.of_model || !node.description.is_empty();
    let parent = node.depends_on.first().and_then(|id| manifest?.get(id));
    let relation = parent.and_then(|parent| parent.relation.as_ref().map(|relation| (parent, relation)));
    let relation = relation.map(|(parent, relation)| {
        let name = if parent.is_ephemeral() { Json::Null } else { json!(relation.to_string()) };
        json!({
            "alias": relation.identifier.as_str(),
            "schema_name": relation.schema.as_str(),
            "database": relation.database.as_str(),
            "relation_name": name,
        })
    });
    let defaults = model
        .defaults
        .as_ref()
        .map(|defaults| json!({"agg_time_dimension": defaults.agg_time_dimension.as_ref().map(|time| &time.name)}));
    put(
        keys,
        [
            ("model", json!(model.model)),
            ("node_relation", json!(relation)),
            ("description", json!(described.then_some(&node.description))),
            ("label", json!(model.label)),
            ("defaults", json!(defaults)),
            ("entities", model.entities.iter().map(|one| entity(node, one)).collect()),
            ("measures", model.measures.iter().map(|one| measure(node, one)).collect()),
            ("dimensions", model.dimensions.iter().map(|one| dimension(node, one)).collect()),
            ("config", config(node, &[])),
            ("primary_entity", json!(model.primary_entity)),
        ],
    );
}

/// The configuration: dbt's keys, those that are its kind's own, and what else was set.
fn config(node: &Node, own: &[(&'static str, Json)]) -> Json {
    let config = &node.config;
    let mut keys = Map::new();
    put(&mut keys, [("enabled", json!(config.enabled)), ("group", json!(config.group)), ("meta", json!(config.meta))]);
    keys.extend(own.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    for (key, value) in &config.raw {
        let is_set = key != "tags" || !config.tags.is_empty();
        if is_set && !keys.contains_key(key) {
            keys.insert(key.clone(), value.clone());
        }
    }
    Json::Object(keys)
}

/// The keys of all parts of a semantic model; what is said of the whole holds for them, too.
fn element(node: &Node, element: &Element) -> Map<String, Json> {
    let mut meta = node.config.meta.clone();
    meta.extend(element.meta.iter().map(|(key, value)| (key.clone(), value.clone())));
    let mut keys = Map::new();
    put(
        &mut keys,
        [
            ("name", json!(element.name)),
            ("description", json!(element.description)),
            ("label", json!(element.label)),
            ("expr", json!(element.expr)),
            ("config", json!({"meta": meta})),
        ],
    );
    keys
}

fn entity(node: &Node, entity: &Entity) -> Json {
    let mut keys = element(node, &entity.element);
    put(&mut keys, [("type", json!(entity.kind.as_str())), ("role", json!(entity.role))]);
    Json::Object(keys)
}

fn dimension(node: &Node, dimension: &Dimension) -> Json {
    let mut keys = element(node, &dimension.element);
    let time = dimension
        .time
        .map(|time| json!({"time_granularity": time.granularity.as_str(), "validity_params": validity(time.validity)}));
    put(
        &mut keys,
        [
            ("type", json!(dimension.kind.as_str())),
            ("is_partition", json!(dimension.is_partition)),
            ("type_params", json!(time)),
            ("metadata", Json::Null),
        ],
    );
    Json::Object(keys)
}

fn validity(validity: Option<Validity>) -> Json {
    json!(validity.map(|validity| json!({"is_start": validity.is_start, "is_end": validity.is_end})))
}

fn measure(node: &Node, measure: &Measure) -> Json {
    let mut keys = element(node, &measure.element);
    put(
        &mut keys,
        [
            ("agg", json!(measure.aggregation.as_str())),
            // dbt makes the metric and forgets that it was asked for.
            ("create_metric", json!(false)),
            ("agg_params", json!(measure.percentile.map(percentile))),
            ("non_additive_dimension", json!(measure.non_additive.as_ref().map(non_additive))),
            ("agg_time_dimension", json!(measure.agg_time_dimension.as_ref().map(|time| &time.name))),
        ],
    );
    Json::Object(keys)
}

fn percentile(percentile: Percentile) -> Json {
    json!({
        "percentile": percentile.share,
        "use_discrete_percentile": percentile.is_discrete,
        "use_approximate_percentile": percentile.is_approximate,
    })
}

fn non_additive(own: &NonAdditive) -> Json {
    json!({
        "name": own.dimension.name, "window_choice": own.choice.as_str(), "window_groupings": own.groupings,
    })
}

fn metric(keys: &mut Map<String, Json>, manifest: Option<&Manifest>, node: &Node, metric: &Metric) {
    // What is configured stands for what is written beside it; the newer form has nothing beside it.
    let is_old = metric.params.is_private.is_none();
    let meta = if is_old && !node.config.meta.is_empty() { &node.config.meta } else { &metric.meta };
    put(
        keys,
        [
            ("description", json!(node.description)),
            ("label", json!(metric.label)),
            ("type", json!(metric.kind.as_str())),
            ("type_params", type_params(manifest, node, metric)),
            ("filter", filter(metric.filter.as_ref())),
            ("time_granularity", json!(metric.time_granularity)),
            ("config", config(node, &[])),
            ("sources", sources_json(node)),
            ("metrics", json!([])),
            ("meta", json!(meta)),
            ("tags", json!(node.tags())),
        ],
    );
}

fn type_params(manifest: Option<&Manifest>, node: &Node, metric: &Metric) -> Json {
    let params = &metric.params;
    let mut inputs = Vec::new();
    if node.config.enabled {
        input_measures(manifest, node, &mut BTreeSet::new(), &mut inputs);
    }
    json!({
        "measure": params.measure.as_ref().map(measure_input),
        "input_measures": inputs.into_iter().map(measure_input).collect::<Vec<_>>(),
        "numerator": params.numerator.as_ref().map(metric_input),
        "denominator": params.denominator.as_ref().map(metric_input),
        "expr": params.expr,
        "window": window(params.window.as_ref()),
        "grain_to_date": params.grain_to_date.map(Word::as_str),
        "metrics": params.metrics.iter().map(metric_input).collect::<Vec<_>>(),
        "conversion_type_params": params.conversion.as_ref().map(conversion),
        "cumulative_type_params": params.cumulative.as_ref().map(cumulative),
        "metric_aggregation_params": params.aggregation.as_ref().map(aggregation),
        "fill_nulls_with": null,
        "join_to_timespine": params.join_to_timespine,
        "is_private": params.is_private,
    })
}

/// The measures that a metric reads in the end, each once; metrics that lead back to themselves are told elsewhere.
fn input_measures<'a>(
    manifest: Option<&'a Manifest>,
    node: &'a Node,
    seen: &mut BTreeSet<&'a NodeId>,
    found: &mut Vec<&'a MeasureInput>,
) {
    let Some(metric) = node.metric().filter(|_| seen.insert(&node.id)) else { return };
    for measure in metric.measures() {
        if !found.iter().any(|known| known.is_same(measure)) {
            found.push(measure);
        }
    }
    if !matches!(metric.kind, MetricKind::Ratio | MetricKind::Derived) {
        return;
    }
    let parents: Vec<&Node> = node.depends_on.iter().filter_map(|id| manifest?.get(id)).map(AsRef::as_ref).collect();
    for input in metric.inputs() {
        if let Some(parent) = parents.iter().find(|parent| parent.name == input.name) {
            input_measures(manifest, parent, seen, found);
        }
    }
}

fn measure_input(input: &MeasureInput) -> Json {
    json!({
        "name": input.name,
        "filter": filter(input.filter.as_ref()),
        "alias": input.alias,
        "join_to_timespine": input.join_to_timespine,
        "fill_nulls_with": input.fill_nulls_with,
    })
}

fn metric_input(input: &MetricInput) -> Json {
    json!({
        "name": input.name,
        "filter": filter(input.filter.as_ref()),
        "alias": input.alias,
        "offset_window": window(input.offset_window.as_ref()),
        "offset_to_grain": input.offset_to_grain,
    })
}

fn filter(conditions: Option<&Vec<String>>) -> Json {
    json!(conditions.map(|conditions| {
        let conditions = conditions.iter().map(|condition| json!({"where_sql_template": condition}));
        json!({"where_filters": conditions.collect::<Vec<_>>()})
    }))
}

fn window(window: Option<&Window>) -> Json {
    json!(window.map(|window| json!({"count": window.count, "granularity": window.granularity})))
}

fn cumulative(cumulative: &Cumulative) -> Json {
    json!({
        "window": window(cumulative.window.as_ref()),
        "grain_to_date": cumulative.grain_to_date,
        "period_agg": cumulative.period.as_str(),
        "metric": cumulative.metric.as_ref().map(metric_input),
    })
}

fn conversion(conversion: &Conversion) -> Json {
    let (measures, metrics) = (conversion.measures.as_ref(), conversion.metrics.as_ref());
    let constants = conversion.constants.as_ref().map(|constants| {
        let constant = |(base, own): &(String, String)| json!({"base_property": base, "conversion_property": own});
        constants.iter().map(constant).collect::<Vec<_>>()
    });
    json!({
        "entity": conversion.entity,
        "base_measure": measures.map(|(base, _)| measure_input(base)),
        "conversion_measure": measures.map(|(_, own)| measure_input(own)),
        "base_metric": metrics.map(|(base, _)| metric_input(base)),
        "conversion_metric": metrics.map(|(_, own)| metric_input(own)),
        "calculation": conversion.calculation.as_str(),
        "window": window(conversion.window.as_ref()),
        "constant_properties": constants,
    })
}

fn aggregation(own: &MetricAggregation) -> Json {
    json!({
        "semantic_model": own.semantic_model.name,
        "agg": own.aggregation.as_str(),
        "agg_params": percentile(own.percentile),
        "agg_time_dimension": own.agg_time_dimension.as_ref().map(|time| &time.name),
        "non_additive_dimension": own.non_additive.as_ref().map(non_additive),
    })
}

fn saved_query(keys: &mut Map<String, Json>, manifest: Option<&Manifest>, node: &Node, query: &SavedQuery) {
    let raw = |key: &str| node.config.raw.get(key).cloned().unwrap_or(Json::Null);
    let cached = raw("cache").get("enabled").cloned().unwrap_or(json!(false));
    let own = [("export_as", raw("export_as")), ("schema", raw("schema")), ("cache", json!({"enabled": cached}))];
    let metrics: Vec<&str> = query.metrics.iter().map(|call| call.name.as_str()).collect();
    put(
        keys,
        [
            (
                "query_params",
                json!({
                    "metrics": metrics,
                    "group_by": query.group_by,
                    "where": filter(query.filter.as_ref()),
                    "order_by": query.order_by,
                    "limit": query.limit,
                }),
            ),
            ("exports", query.exports.iter().map(|one| export(manifest, one)).collect()),
            ("description", json!(Some(&node.description).filter(|text| !text.is_empty()))),
            ("label", json!(query.label)),
            ("config", config(node, &own)),
            ("tags", json!(node.tags())),
        ],
    );
}

fn export(manifest: Option<&Manifest>, export: &Export) -> Json {
    let schema = export.schema.as_ref().or(manifest.map(|manifest| &manifest.schema));
    json!({
        "name": export.name,
        "config": {
            "export_as": export.kind.as_str(),
            "schema_name": schema,
            "alias": export.alias.as_ref().unwrap_or(&export.name),
            "database": manifest.map(|manifest| &manifest.database),
        },
        "unrendered_config": export.written,
    })
}
