//! What is made from what: sources, seeds, models, snapshots, what they mean (metrics) and exposures with their edges, in
//! groups that follow the layers. Tests are not part of it: they would hide everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Node, NodeId, ResourceType};
use crate::manifest::relation::Layer;

/// Where a node stands between the data's arrival and its use. The order is that of the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Sources and seeds.
    Sources,
    /// The bronze layer.
    Bronze,
    /// The silver layer.
    Silver,
    /// The gold layer.
    Gold,
    /// Models and snapshots of no layer.
    Models,
    /// Semantic models, metrics and saved queries.
    Semantic,
    /// Uses of the data.
    Exposures,
}

impl Group {
    /// All, in order.
    pub const ALL: [Self; 7] =
        [Self::Sources, Self::Bronze, Self::Silver, Self::Gold, Self::Models, Self::Semantic, Self::Exposures];

    /// A word for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Bronze => "bronze",
            Self::Silver => "silver",
            Self::Gold => "gold",
            Self::Models => "models",
            Self::Semantic => "semantic",
            Self::Exposures => "exposures",
        }
    }

    /// A heading for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Sources => "Sources and seeds",
            Self::Bronze => "Bronze",
            Self::Silver => "Silver",
            Self::Gold => "Gold",
            Self::Models => "Models",
            Self::Semantic => "Semantic layer",
            Self::Exposures => "Exposures",
        }
    }

    fn of_layer(layer: Option<Layer>) -> Self {
        match layer {
            Some(Layer::Bronze) => Self::Bronze,
            Some(Layer::Silver) => Self::Silver,
            Some(Layer::Gold) => Self::Gold,
            None => Self::Models,
        }
    }
}

/// A graph of nodes.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    /// The nodes with their groups, by group and name.
    pub nodes: Vec<(Group, Arc<Node>)>,
    /// Edges from parent to child, in the order of the nodes.
    pub edges: Vec<(NodeId, NodeId)>,
}

/// Whether a kind of node is part of the lineage.
pub fn is_shown(kind: ResourceType) -> bool {
    use ResourceType::{Exposure, Model, Seed, Snapshot, Source};
    matches!(kind, Model | Seed | Snapshot | Source | Exposure) || kind.is_semantic()
}

/// Whether a node is part of the documentation; `docs: {show: false}` takes it out.
pub fn is_documented(node: &Node) -> bool {
    let show = node.config.raw.get("docs").and_then(|docs| docs.get("show"));
    is_shown(node.resource_type) && show.and_then(serde_json::Value::as_bool) != Some(false)
}

impl Lineage {
    /// The lineage of the chosen nodes. An edge is there if both of its ends are.
    pub fn new(manifest: &Manifest, chosen: &BTreeSet<NodeId>) -> Self {
        let groups = groups(manifest);
        let mut nodes: Vec<(Group, Arc<Node>)> = manifest
            .nodes
            .values()
            .filter(|node| is_documented(node) && chosen.contains(&node.id))
            .map(|node| (groups.get(&node.id).copied().unwrap_or(Group::Models), Arc::clone(node)))
            .collect();
        nodes.sort_by_cached_key(|(group, node)| (*group, node.display_name(), node.id.clone()));
        let known: BTreeSet<&NodeId> = nodes.iter().map(|(_, node)| &node.id).collect();
        let mut edges = Vec::new();
        for (_, node) in &nodes {
            let parents: BTreeSet<&NodeId> = node.depends_on.iter().filter(|id| known.contains(id)).collect();
            edges.extend(parents.into_iter().map(|parent| (parent.clone(), node.id.clone())));
        }
        Self { nodes, edges }
    }

    /// The groups that have nodes, with their nodes.
    pub fn by_group(&self) -> Vec<(Group, Vec<&Arc<Node>>)> {
        let of = |group: Group| self.nodes.iter().filter(move |(other, _)| *other == group).map(|(_, node)| node);
        Group::ALL
            .map(|group| (group, of(group).collect::<Vec<_>>()))
            .into_iter()
            .filter(|(_, of)| !of.is_empty())
            .collect()
    }
}

/// The group of every node. A snapshot has no layer of its own: it stands with the last layer that it reads.
pub fn groups(manifest: &Manifest) -> BTreeMap<NodeId, Group> {
    let mut groups: BTreeMap<NodeId, Group> = BTreeMap::new();
    let mut snapshots = Vec::new();
    for node in manifest.nodes.values() {
        let group = match node.resource_type {
            ResourceType::Source | ResourceType::Seed => Group::Sources,
            ResourceType::Exposure => Group::Exposures,
            kind if kind.is_semantic() => Group::Semantic,
            ResourceType::Snapshot if node.layer.is_none() => {
                snapshots.push(node);
                continue;
            }
            _ => Group::of_layer(node.layer),
        };
        groups.insert(node.id.clone(), group);
    }
    for snapshot in snapshots {
        // The parents of a snapshot are mostly models; one that reads a snapshot stands with the models of no layer.
        let of_parents = snapshot.depends_on.iter().filter_map(|id| groups.get(id)).copied();
        let layers = of_parents.filter(|group| matches!(group, Group::Bronze | Group::Silver | Group::Gold));
        let group = layers.max().unwrap_or(Group::Models);
        groups.insert(snapshot.id.clone(), group);
    }
    groups
}
