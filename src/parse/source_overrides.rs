//! `overrides` of a source: what the root project says anew about a source of a package.

use crate::base::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::files::properties_source::{FreshnessRule, SourceDefaults, SourceProperties, TableProperties};
use crate::files::{LoadedProject, Package, TextFile};

/// Sources with the places of their packages in the project, and their files.
type Sources = Vec<(usize, TextFile, SourceProperties)>;

/// Takes the sources that override others out of the list and puts what they say over those.
pub(super) fn apply(project: &LoadedProject, sources: &mut Sources, diagnostics: &mut Diagnostics) {
    let (overriding, kept): (Sources, Sources) =
        std::mem::take(sources).into_iter().partition(|(_, _, source)| source.overrides.is_some());
    *sources = kept;
    for (_, _, source) in overriding {
        let Some(package) = &source.overrides else { continue };
        let name = |index: &usize| project.packages.get(*index).map(Package::name).unwrap_or_default();
        let target = sources
            .iter_mut()
            .find(|(index, _, other)| name(index) == package.value && other.name.value == source.name.value);
        if let Some((_, _, target)) = target {
            put_over(target, &source, diagnostics);
            continue;
        }
        let message = format!("there is no source `{}` in the package `{}`", source.name.value, package.value);
        let diagnostic = Diagnostic::warning("unmatched-properties", message).at(source.name.location.clone(), "");
        let of_package = sources.iter().filter(|(index, _, _)| name(index) == package.value);
        let near = did_you_mean(&source.name.value, of_package.map(|(_, _, other)| other.name.value.as_str()));
        diagnostics.push(match near {
            Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
            None => diagnostic,
        });
    }
}

fn put_over(target: &mut SourceProperties, own: &SourceProperties, diagnostics: &mut Diagnostics) {
    take(&mut target.description, own.description.as_ref());
    take(&mut target.database, own.database.as_ref());
    take(&mut target.schema, own.schema.as_ref());
    take(&mut target.loader, own.loader.as_ref());
    put_defaults(&mut target.defaults, &own.defaults);
    target.config.extend(own.config.iter().cloned());
    for table in &own.tables {
        match target.tables.iter_mut().find(|known| known.name.value == table.name.value) {
            Some(known) => put_table(known, table),
            None => {
                let message = format!("the source `{}` has no table `{}`", target.name.value, table.name.value);
                let diagnostic = Diagnostic::warning("unmatched-properties", message);
                diagnostics.push(diagnostic.at(table.name.location.clone(), "described here"));
            }
        }
    }
}

fn put_table(target: &mut TableProperties, own: &TableProperties) {
    take(&mut target.description, own.description.as_ref());
    take(&mut target.identifier, own.identifier.as_ref());
    put_defaults(&mut target.own, &own.own);
    target.config.extend(own.config.iter().cloned());
    if !own.columns.is_empty() {
        target.columns.clone_from(&own.columns);
    }
    if !own.tests.is_empty() {
        target.tests.clone_from(&own.tests);
    }
}

fn put_defaults(target: &mut SourceDefaults, own: &SourceDefaults) {
    take(&mut target.loaded_at_field, own.loaded_at_field.as_ref());
    take(&mut target.loaded_at_query, own.loaded_at_query.as_ref());
    take(&mut target.external, own.external.as_ref());
    if own.freshness != FreshnessRule::Inherited {
        target.freshness.clone_from(&own.freshness);
    }
}

fn take<T: Clone>(target: &mut Option<T>, own: Option<&T>) {
    if let Some(own) = own {
        *target = Some(own.clone());
    }
}
