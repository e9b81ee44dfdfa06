//! Docs blocks and the `doc()` calls of descriptions.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::base::source::Location;
use crate::files::has_jinja;
use crate::files::yaml::Spanned;
use crate::manifest::manifest::DocBlock;
use crate::parse::calls::split_docs;
use crate::parse::jinja::YamlRenderer;

/// All docs blocks by id.
#[derive(Debug, Default)]
pub(super) struct Docs {
    /// The blocks.
    pub blocks: BTreeMap<String, Arc<DocBlock>>,
    places: BTreeMap<String, Location>,
}

impl Docs {
    /// Adds a block; a second one of the same name is reported.
    pub fn add(&mut self, block: DocBlock, place: Location, diagnostics: &mut Diagnostics) {
        let id = format!("doc.{}.{}", block.package, block.name);
        if let Some(first) = self.places.get(&id) {
            diagnostics.push(
                Diagnostic::error("duplicate-doc", format!("there are two docs blocks `{}`", block.name))
                    .at(place, "again here")
                    .at(first.clone(), "first here"),
            );
            return;
        }
        self.places.insert(id.clone(), place);
        self.blocks.insert(id, Arc::new(block));
    }

    fn find(&self, package: Option<&str>, searched: [&str; 2], name: &str) -> Option<&DocBlock> {
        let order: Vec<&str> = package.map_or_else(|| searched.to_vec(), |package| vec![package]);
        order
            .into_iter()
            .find_map(|package| self.blocks.get(&format!("doc.{package}.{name}")))
            .or_else(|| self.blocks.values().find(|block| package.is_none() && block.name == name))
            .map(Arc::as_ref)
    }

    /// Ids of the blocks that a description names; two packages are searched before the others.
    pub fn blocks_of(&self, searched: [&str; 2], description: &str) -> Vec<String> {
        let (_, calls) = split_docs(description);
        let found = calls.into_iter().filter_map(|(package, name)| self.find(package.as_deref(), searched, &name));
        found.map(|block| format!("doc.{}.{}", block.package, block.name)).collect()
    }

    /// A description with its `doc()` calls replaced and its other Jinja rendered.
    pub fn resolve(
        &self,
        searched: [&str; 2],
        description: &Spanned<String>,
        renderer: &YamlRenderer,
        diagnostics: &mut Diagnostics,
    ) -> String {
        let (texts, calls) = split_docs(&description.value);
        let mut calls = calls.into_iter();
        let mut resolved = String::with_capacity(description.value.len());
        for text in texts {
            if has_jinja(text) {
                match renderer.text(text, &description.location) {
                    Ok(rendered) => resolved.push_str(&rendered),
                    Err(diagnostic) => diagnostics.push(*diagnostic),
                }
            } else {
                resolved.push_str(text);
            }
            let Some((package, name)) = calls.next() else { continue };
            if let Some(block) = self.find(package.as_deref(), searched, &name) {
                resolved.push_str(block.contents.trim());
            } else {
                let names = self.blocks.values().map(|block| block.name.as_str());
                let diagnostic = Diagnostic::error("unknown-doc", format!("there is no docs block `{name}`"))
                    .at(description.location.clone(), "");
                diagnostics.push(match did_you_mean(&name, names) {
                    Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
                    None => diagnostic.with_hint("docs blocks are in `.md` files: `{% docs name %}…{% enddocs %}`"),
                });
            }
        }
        // As under dbt, a text without Jinja is kept as it is, and Jinja takes one line break from the end.
        if has_jinja(&description.value) && resolved.ends_with('\n') {
            resolved.pop();
        }
        resolved
    }
}
