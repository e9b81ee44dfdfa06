//! Lineage as texts that other tools show: Mermaid, DOT (Graphviz), JSON, and a Markdown page for a repository.
//!
//! The same project gives the same bytes, so that a page under version control changes only with the project.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::docs::lineage::{Group, Lineage};
use crate::docs::markdown::summary;
use crate::manifest::node::{Node, NodeId, ResourceType};

/// Text for Mermaid (<https://mermaid.js.org/syntax/flowchart.html>).
pub fn mermaid(lineage: &Lineage) -> String {
    let names: BTreeMap<&NodeId, String> =
        lineage.nodes.iter().enumerate().map(|(place, (_, node))| (&node.id, format!("n{place}"))).collect();
    let mut text = String::from("flowchart LR\n");
    for (group, nodes) in lineage.by_group() {
        let _ = writeln!(text, "  subgraph {}[\"{}\"]", group.as_str(), group.title());
        for node in nodes {
            let (open, close) = match node.resource_type {
                ResourceType::Source => ("[(", ")]"),
                ResourceType::Seed => ("[/", "/]"),
                ResourceType::Snapshot => ("[[", "]]"),
                ResourceType::Exposure => ("([", "])"),
                kind if kind.is_semantic() => ("{{", "}}"),
                _ => ("[", "]"),
            };
            let _ = writeln!(text, "    {}{open}\"{}\"{close}", names[&node.id], mermaid_label(&node.display_name()));
        }
        text.push_str("  end\n");
    }
    for (parent, child) in &lineage.edges {
        let _ = writeln!(text, "  {} --> {}", names[parent], names[child]);
    }
    for (group, style) in [
        (Group::Bronze, "fill:#f3e2d3,stroke:#a9714b"),
        (Group::Silver, "fill:#e9ecef,stroke:#868e96"),
        (Group::Gold, "fill:#fff3bf,stroke:#c99a06"),
    ] {
        if lineage.nodes.iter().any(|(of_node, _)| *of_node == group) {
            let _ = writeln!(text, "  style {} {style},color:#1f2328", group.as_str());
        }
    }
    text
}

/// A label between quotes: what means something to Mermaid is written as a code.
fn mermaid_label(text: &str) -> String {
    let mut label = String::new();
    for character in text.chars() {
        match character {
            '"' => label.push_str("#quot;"),
            '#' | '&' | '<' | '>' | '`' | ';' | '\\' => {
                let _ = write!(label, "#{};", u32::from(character));
            }
            character if character.is_control() => label.push(' '),
            character => label.push(character),
        }
    }
    label
}

/// Text for Graphviz (<https://graphviz.org/doc/info/lang.html>).
pub fn dot(lineage: &Lineage, project: &str) -> String {
    let mut text =
        format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n", quoted(project));
    for (group, nodes) in lineage.by_group() {
        let _ = writeln!(text, "  subgraph {} {{", quoted(&format!("cluster_{}", group.as_str())));
        let _ = writeln!(text, "    label={};", quoted(group.title()));
        for node in nodes {
            let shape = match node.resource_type {
                ResourceType::Source => ", shape=cylinder",
                ResourceType::Seed => ", shape=note",
                ResourceType::Snapshot => ", peripheries=2",
                ResourceType::Exposure => ", shape=oval",
                kind if kind.is_semantic() => ", shape=hexagon",
                _ => "",
            };
            let _ = writeln!(text, "    {} [label={}{shape}];", quoted(node.id.as_str()), quoted(&node.display_name()));
        }
        text.push_str("  }\n");
    }
    for (parent, child) in &lineage.edges {
        let _ = writeln!(text, "  {} -> {};", quoted(parent.as_str()), quoted(child.as_str()));
    }
    text.push_str("}\n");
    text
}

/// A quoted text of DOT. A backslash begins an escape in labels, so it is doubled.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The lineage as a JSON document.
pub fn json(lineage: &Lineage, project: &str) -> Json {
    let nodes: Vec<Json> = lineage
        .nodes
        .iter()
        .map(|(group, node)| {
            json!({
                "unique_id": node.id.as_str(),
                "name": node.name,
                "resource_type": node.resource_type.as_str(),
                "group": group.as_str(),
                "relation": node.relation.as_ref().filter(|_| !node.is_ephemeral()).map(ToString::to_string),
                "materialized": (node.resource_type == ResourceType::Model).then(|| node.materialized()),
                "path": node.path,
                "description": node.description,
            })
        })
        .collect();
    let edges: Vec<Json> =
        lineage.edges.iter().map(|(parent, child)| json!({"from": parent.as_str(), "to": child.as_str()})).collect();
    json!({"project": project, "nodes": nodes, "edges": edges})
}

/// A page in Markdown: the graph, which code hosts draw, and a table for each group.
pub fn markdown(lineage: &Lineage, project: &str) -> String {
    let mut text = format!("# Lineage of {}\n\n", escaped(project));
    if lineage.nodes.is_empty() {
        text.push_str("There is nothing to show.\n");
        return text;
    }
    let _ = write!(text, "```mermaid\n{}```\n", mermaid(lineage));
    let mut parents: BTreeMap<&NodeId, Vec<&NodeId>> = BTreeMap::new();
    for (parent, child) in &lineage.edges {
        parents.entry(child).or_default().push(parent);
    }
    let names: BTreeMap<&NodeId, String> =
        lineage.nodes.iter().map(|(_, node)| (&node.id, escaped(&node.display_name()))).collect();
    for (group, nodes) in lineage.by_group() {
        let _ =
            write!(text, "\n## {}\n\n| name | kind | made from | description |\n|---|---|---|---|\n", group.title());
        for node in nodes {
            let made_from: Vec<&str> =
                parents.get(&node.id).into_iter().flatten().map(|parent| names[parent].as_str()).collect();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                names[&node.id],
                kind(node),
                made_from.join(", "),
                escaped(&summary(&node.description))
            );
        }
    }
    text
}

/// The kind of a node for people: of a model, how it is stored.
fn kind(node: &Node) -> &str {
    match node.resource_type {
        ResourceType::Model => node.materialized(),
        other => other.as_str(),
    }
}

/// A text in a cell of a Markdown table, shown as it is.
fn escaped(text: &str) -> String {
    let mut cell = String::new();
    for character in text.chars() {
        match character {
            '\\' | '`' | '*' | '[' | ']' | '|' | '<' | '>' | '~' | '&' => {
                cell.push('\\');
                cell.push(character);
            }
            character if character.is_control() => cell.push(' '),
            character => cell.push(character),
        }
    }
    cell
}
