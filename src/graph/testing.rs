//! Small manifests for the tests of `graph` and `select`, made without reading a project.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use crate::base::source::{Location, SourceFile};
use crate::manifest::config::NodeConfig;
use crate::manifest::group::Access;
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{
    Detail, Exposure, GenericTestCall, ModelDetail, Node, NodeId, RefCall, ResourceType, SourceTable, TestDetail,
};
use crate::manifest::relation::Layer;
use crate::manifest::version::{ModelVersion, Version};

/// A manifest of the package `shop` from lines such as `model gold/orders < stg_orders, raw.orders`.
///
/// A line names the kind, the path of the node below its folder (`package:` before it if it is not `shop`), and after
/// `<` the parents. Sources are called `source.table`; of tests, `not_null:name` is a generic one. The files are
/// invented; each reference is placed in a file that holds the line.
pub(crate) fn manifest(lines: &[&str]) -> Manifest {
    let mut manifest = Manifest { project_name: "shop".into(), ..Manifest::default() };
    let nodes: Vec<Node> = lines.iter().map(|line| node(line)).collect();
    let ids: BTreeMap<String, NodeId> = nodes.iter().map(|node| (key(node), node.id.clone())).collect();
    for (mut node, line) in nodes.into_iter().zip(lines) {
        let parents = line.split_once('<').map_or("", |(_, parents)| parents);
        let file = SourceFile::new(node.path.clone(), (*line).to_owned());
        for parent in parents.split(',').map(str::trim).filter(|parent| !parent.is_empty()) {
            node.depends_on.push(ids[parent].clone());
            let start = line.rfind(parent).unwrap();
            let location = Some(Location::new(&file, start..start + parent.len()));
            node.refs.push(RefCall { package: None, name: parent.into(), version: None, location });
        }
        manifest.nodes.insert(node.id.clone(), Arc::new(node));
    }
    manifest
}

/// Sets raw configuration of a node (and its tags).
pub(crate) fn configure(manifest: &mut Manifest, id: &str, config: &Value) {
    let node = Arc::make_mut(manifest.nodes.get_mut(&NodeId::new(id)).unwrap());
    for (name, value) in config.as_object().unwrap() {
        node.config.raw.insert(name.clone(), value.clone());
    }
    node.config.group = config["group"].as_str().map(str::to_owned);
    if let Some(access) = Access::ALL.into_iter().find(|access| config["access"] == access.as_str()) {
        node.config.access = access;
    }
    if let (Some(own), Some(latest)) = (Version::new(&config["version"]), Version::new(&config["latest_version"])) {
        node.detail = Detail::Model(Box::new(ModelDetail {
            version: Some(ModelVersion { own, latest }),
            ..ModelDetail::default()
        }));
    }
    node.config.tags =
        config["tags"].as_array().into_iter().flatten().map(|tag| tag.as_str().unwrap().into()).collect();
}

fn key(node: &Node) -> String {
    match node.source() {
        Some(source) => format!("{}.{}", source.source_name, node.name),
        None => node.name.clone(),
    }
}

fn node(line: &str) -> Node {
    let declaration = line.split('<').next().unwrap().trim();
    let (kind, place) = declaration.split_once(' ').unwrap();
    let resource_type = ResourceType::parse(kind).unwrap();
    let (generic, place) = match place.split_once(':') {
        Some((test, place)) if resource_type == ResourceType::Test => (Some(test), place),
        _ => (None, place),
    };
    let (package, place) = place.split_once(':').unwrap_or(("shop", place));
    let (folders, name) = place.rsplit_once('/').map_or((None, place), |(folders, name)| (Some(folders), name));
    let mut fqn = vec![package.to_owned()];
    fqn.extend(folders.into_iter().flat_map(|folders| folders.split('/')).map(str::to_owned));
    let (detail, name, file) = match resource_type {
        ResourceType::Source => {
            let (source, table) = name.split_once('.').unwrap();
            fqn.push(source.to_owned());
            (source_table(source), table, "sources.yml".to_owned())
        }
        ResourceType::Test => {
            let call = generic.map(|test| GenericTestCall {
                name: test.to_owned(),
                namespace: None,
                arguments: IndexMap::new(),
                config: IndexMap::new(),
            });
            let file = if generic.is_some() { "schema.yml".to_owned() } else { format!("{name}.sql") };
            (Detail::Test(TestDetail { generic: call, attached_node: None, column_name: None }), name, file)
        }
        ResourceType::Exposure => (Detail::Exposure(Exposure::default()), name, "exposures.yml".to_owned()),
        ResourceType::Seed => {
            (Detail::Seed { path: String::new(), checksum: String::new() }, name, format!("{name}.csv"))
        }
        ResourceType::Snapshot => (Detail::Snapshot, name, format!("{name}.sql")),
        _ => (Detail::Model(Box::default()), name, format!("{name}.sql")),
    };
    fqn.push(name.to_owned());
    let folder = if resource_type == ResourceType::Source { "model" } else { kind };
    let middle = folders.map(|folders| format!("{folders}/")).unwrap_or_default();
    let unique = fqn[if resource_type == ResourceType::Source { fqn.len() - 2 } else { fqn.len() - 1 }..].join(".");
    Node {
        id: NodeId::new(format!("{kind}.{package}.{unique}")),
        resource_type,
        name: name.to_owned(),
        package: package.to_owned(),
        package_folder: String::new(),
        path: format!("{folder}s/{middle}{file}"),
        relative_path: format!("{middle}{file}"),
        patch_path: (resource_type == ResourceType::Model).then(|| format!("{folder}s/{middle}schema.yml")),
        layer: folders.and_then(|folders| folders.split('/').find_map(Layer::from_folder)),
        fqn,
        code: None,
        location: None,
        config: NodeConfig::default(),
        relation: None,
        description: String::new(),
        columns: IndexMap::new(),
        refs: Vec::new(),
        sources: Vec::new(),
        functions: Vec::new(),
        depends_on: Vec::new(),
        macros: Vec::new(),
        own_macros: Vec::new(),
        doc_blocks: Vec::new(),
        introspective: false,
        foreseen: Vec::new(),
        detail,
    }
}

fn source_table(source: &str) -> Detail {
    Detail::Source(Box::new(SourceTable {
        unrendered_database: None,
        unrendered_schema: None,
        source_name: source.to_owned(),
        source_description: String::new(),
        loader: String::new(),
        external: None,
        loaded_at_field: None,
        loaded_at_query: None,
        freshness: None,
    }))
}
