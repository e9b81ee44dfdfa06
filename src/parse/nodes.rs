//! Nodes that come from files of their own: models, seeds, analyses, snapshots, singular tests; and hooks, exposures.

use std::sync::Arc;

use crate::base::diagnostic::Diagnostic;
use crate::base::source::Location;
use crate::files::properties::ExposureProperties;
use crate::files::yaml::{Spanned, Yaml};
use crate::files::{Package, TextFile};
use crate::manifest::node::{Code, Detail, Exposure, ModelDetail, NodeId, ResourceType, TestDetail, search_name};
use crate::manifest::relation::Layer;
use crate::parse::builder::{Builder, Declared, Draft};
use crate::parse::calls::{Call, parse_call};
use crate::parse::versions::Described;
use crate::template::{Block, extract_blocks};

/// The folders of a path, and its last part without the extension.
pub(super) fn folders_and_stem(relative: &str) -> (Vec<&str>, &str) {
    let mut parts: Vec<&str> = relative.split('/').collect();
    let file = parts.pop().unwrap_or_default();
    (parts, file.rsplit_once('.').map_or(file, |(stem, _)| stem))
}

/// Package, folders and name.
pub(super) fn fqn_of(package: &str, folders: &[&str], name: &str) -> Vec<String> {
    let mut fqn = vec![package.to_owned()];
    fqn.extend(folders.iter().map(|folder| (*folder).to_owned()));
    fqn.push(name.to_owned());
    fqn
}

fn id_of(kind: ResourceType, package: &str, name: &str) -> NodeId {
    NodeId::new(format!("{}.{package}.{name}", kind.as_str()))
}

fn whole_file(file: &TextFile) -> Code {
    Code { file: Arc::clone(&file.source), text: Arc::from(file.source.text.as_str()), offset: Some(0) }
}

pub(super) fn draft<'a>(kind: ResourceType, package: &'a Package, name: &str, path: &str, relative: &str) -> Draft<'a> {
    let (folders, _) = folders_and_stem(relative);
    Draft {
        kind,
        id: id_of(kind, package.name(), name),
        name: name.to_owned(),
        package,
        path: path.to_owned(),
        relative_path: relative.to_owned(),
        fqn: fqn_of(package.name(), &folders, name),
        layer: None,
        code: None,
        location: None,
        detail: Detail::Model(Box::default()),
        own_config: Vec::new(),
        tags: Vec::new(),
        description: None,
        declared: Vec::new(),
        foreseen: Vec::new(),
    }
}

pub(super) fn file_draft<'a>(kind: ResourceType, package: &'a Package, file: &TextFile, detail: Detail) -> Draft<'a> {
    let (_, stem) = folders_and_stem(&file.relative);
    let mut made = draft(kind, package, stem, &file.source.path, &file.relative);
    made.code = Some(whole_file(file));
    made.location = Some(Location::of_file(&file.source));
    made.detail = detail;
    made
}

/// Makes the model of a file a version of the model that its properties name.
fn as_version(draft: &mut Draft<'_>, described: &Described) {
    let version = described.version.clone();
    let name = search_name(&described.model, Some(&version));
    draft.id = id_of(ResourceType::Model, draft.package.name(), &name);
    draft.name.clone_from(&described.model);
    draft.fqn.pop();
    draft.fqn.extend([described.model.clone(), version.own.label()]);
    draft.detail = Detail::Model(Box::new(ModelDetail { version: Some(version), ..ModelDetail::default() }));
}

impl<'a> Builder<'a> {
    /// Everything of a package that has files of its own.
    pub fn add_files(&mut self, package: &'a Package) {
        for file in &package.models {
            let mut draft = file_draft(ResourceType::Model, package, file, Detail::Model(Box::default()));
            let (_, stem) = folders_and_stem(&file.relative);
            if let Some(described) = self.versions.get(&(package.name().to_owned(), stem.to_owned())) {
                as_version(&mut draft, described);
            }
            draft.layer = file.relative.split_once('/').and_then(|(folder, _)| Layer::from_folder(folder));
            self.add(draft);
        }
        for file in &package.analyses {
            let mut draft = file_draft(ResourceType::Analysis, package, file, Detail::Analysis);
            draft.fqn.insert(1, "analysis".to_owned());
            self.add(draft);
        }
        for seed in &package.seeds {
            let (_, stem) = folders_and_stem(&seed.relative);
            let path = &seed.source.path;
            let mut draft = draft(ResourceType::Seed, package, stem, path, &seed.relative);
            draft.location = Some(Location::of_file(&seed.source));
            draft.detail = Detail::Seed { path: path.clone(), checksum: seed.checksum.clone() };
            self.add(draft);
        }
        self.add_snapshots(package);
        for file in &package.tests {
            let detail = Detail::Test(TestDetail { generic: None, attached_node: None, column_name: None });
            let draft = file_draft(ResourceType::Test, package, file, detail);
            self.add(draft);
        }
        self.add_functions(package);
        self.add_hooks(package);
    }

    fn add_snapshots(&mut self, package: &'a Package) {
        for file in &package.snapshots {
            let (blocks, diagnostics) = extract_blocks(&file.source);
            self.diagnostics.extend(diagnostics);
            let mut found = false;
            for block in blocks.into_iter().filter(Block::is_snapshot) {
                found = true;
                let path = &file.source.path;
                let mut draft = draft(ResourceType::Snapshot, package, &block.name, path, &file.relative);
                let (folders, stem) = folders_and_stem(&file.relative);
                let mut levels = folders;
                levels.push(stem);
                draft.fqn = fqn_of(package.name(), &levels, &block.name);
                let text = file.source.text.get(block.body.clone()).unwrap_or_default();
                draft.code = Some(Code {
                    file: Arc::clone(&file.source),
                    text: Arc::from(text),
                    offset: Some(block.body.start),
                });
                draft.location = Some(Location::new(&file.source, block.head.clone()));
                draft.detail = Detail::Snapshot;
                self.add(draft);
            }
            if !found && !self.diagnostics.has_errors() {
                let message = format!("`{}` has no `{{% snapshot %}}` block", file.source.path);
                self.diagnostics.push(
                    Diagnostic::warning("no-snapshot", message)
                        .at(Location::of_file(&file.source), "")
                        .with_hint("wrap the query: `{% snapshot name %}…{% endsnapshot %}`"),
                );
            }
        }
        self.add_yaml_snapshots(package);
    }

    /// Snapshots that are a `relation` in a properties file.
    fn add_yaml_snapshots(&mut self, package: &'a Package) {
        let defined: Vec<_> = self
            .patches
            .iter()
            .filter(|((owner, kind, _), patch)| {
                owner == package.name() && *kind == ResourceType::Snapshot && patch.properties.relation.is_some()
            })
            .map(|((_, _, name), patch)| {
                (name.clone(), patch.path.clone(), patch.relative.clone(), patch.properties.clone())
            })
            .collect();
        for (name, path, relative, properties) in defined {
            let Some(relation) = properties.relation else { continue };
            let call = parse_call(&relation.value, &relation.location);
            let expression = relation.value.trim();
            let expression = expression.strip_prefix("{{").map_or(expression, str::trim);
            let expression = expression.strip_suffix("}}").map_or(expression, str::trim);
            let declared = match call {
                Some(Call::Ref(call)) => Declared::Ref(call),
                Some(Call::Source(call)) => Declared::Source(call),
                None | Some(Call::Metric(_)) => {
                    let message = format!("`relation` of snapshot `{name}` is not a `ref` or a `source`");
                    self.diagnostics.push(
                        Diagnostic::error("bad-relation", message)
                            .at(relation.location, "")
                            .with_hint("write `ref('model')` or `source('source', 'table')`"),
                    );
                    let key = (package.name().to_owned(), ResourceType::Snapshot, name);
                    if let Some(patch) = self.patches.get_mut(&key) {
                        patch.used = true;
                    }
                    continue;
                }
            };
            let mut draft = draft(ResourceType::Snapshot, package, &name, &path, &relative);
            let file = Arc::clone(&relation.location.file);
            draft.relative_path = format!("{relative}/{name}.sql");
            draft.code =
                Some(Code { file, text: format!("select * from {{{{ {expression} }}}}").into(), offset: None });
            draft.location = Some(properties.name.location);
            draft.detail = Detail::Snapshot;
            draft.declared.push(declared);
            self.add(draft);
        }
    }

    /// `on-run-start` and `on-run-end`.
    fn add_hooks(&mut self, package: &'a Package) {
        let config = &package.config;
        for (event, hooks) in [("on-run-start", &config.on_run_start), ("on-run-end", &config.on_run_end)] {
            for (index, hook) in hooks.iter().enumerate() {
                let name = format!("{}-{event}-{index}", package.name());
                let path = format!("hooks/{name}.sql");
                let mut draft = draft(ResourceType::Operation, package, &name, &config.file.path, &path);
                draft.location = Some(hook.location.clone());
                draft.detail = Detail::Operation { event, index };
                draft.tags = vec![event.to_owned()];
                let text = hook.value.as_str();
                // Quotes and the sign of a block stand before the text; a text with escapes is not found.
                let raw = config.file.text.get(hook.location.range.clone());
                let offset = raw.and_then(|raw| raw.find(text)).map(|at| hook.location.range.start + at);
                draft.code = Some(Code { file: Arc::clone(&config.file), text: Arc::from(text), offset });
                self.add(draft);
            }
        }
    }

    /// An exposure.
    pub fn add_exposure(&mut self, package: &'a Package, file: &TextFile, exposure: &ExposureProperties) {
        let (folders, _) = folders_and_stem(&file.relative);
        let name = &exposure.name.value;
        let mut draft = draft(ResourceType::Exposure, package, name, &file.source.path, &file.relative);
        draft.fqn = fqn_of(package.name(), &folders, name);
        draft.location = Some(exposure.name.location.clone());
        draft.description.clone_from(&exposure.description);
        draft.own_config.clone_from(&exposure.config);
        let mut metrics = Vec::new();
        for parent in &exposure.depends_on {
            match parse_call(&parent.value, &parent.location) {
                Some(Call::Ref(call)) => draft.declared.push(Declared::Ref(call)),
                Some(Call::Source(call)) => draft.declared.push(Declared::Source(call)),
                Some(Call::Metric(call)) => metrics.push(call),
                None => {
                    let message = format!("`depends_on` of exposure `{name}` has `{}`", parent.value);
                    self.diagnostics.push(
                        Diagnostic::error("bad-relation", message)
                            .at(parent.location.clone(), "")
                            .with_hint("write `ref('model')`, `source('source', 'table')` or `metric('metric')`"),
                    );
                }
            }
        }
        let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
        draft.detail = Detail::Exposure(Exposure {
            kind: text(&exposure.kind).unwrap_or_default(),
            label: exposure.label.clone(),
            maturity: text(&exposure.maturity),
            url: text(&exposure.url),
            owner: exposure.owner.iter().map(|(key, value)| (key.value.clone(), Yaml::to_json(value))).collect(),
            metrics,
        });
        self.add(draft);
    }
}
