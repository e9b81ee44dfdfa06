//! Functions of the project: files of `functions/` with what the properties say about their arguments and results.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::base::diagnostic::{Diagnostic, did_you_mean};
use crate::base::source::Location;
use crate::files::properties_function::{ArgumentProperties, OverloadProperties, ReturnsProperties};
use crate::files::yaml::Spanned;
use crate::files::{Package, TextFile};
use crate::manifest::function::{Argument, FunctionDetail, Overload, Returns, Signature};
use crate::manifest::node::{Detail, ResourceType};
use crate::parse::builder::{Builder, Declared, Draft};
use crate::parse::nodes::{file_draft, folders_and_stem};

impl<'a> Builder<'a> {
    /// The functions of a package.
    pub fn add_functions(&mut self, package: &'a Package) {
        let others: BTreeSet<String> = self
            .patches
            .iter()
            .filter(|((owner, kind, _), _)| owner == package.name() && *kind == ResourceType::Function)
            .flat_map(|(_, patch)| &patch.properties.function.overloads)
            .map(|overload| overload.defined_in.value.clone())
            .collect();
        for file in &package.functions {
            let (_, stem) = folders_and_stem(&file.relative);
            if !others.contains(stem) {
                self.add_function(package, file, stem);
            }
        }
    }

    fn add_function(&mut self, package: &'a Package, file: &TextFile, name: &str) {
        let key = (package.name().to_owned(), ResourceType::Function, name.to_owned());
        let patch = self.patches.get_mut(&key);
        let described = patch.map(|patch| {
            patch.used = true;
            patch.properties.function.clone()
        });
        let described = described.unwrap_or_default();
        let Some(returns) = &described.returns else {
            let message = format!("nothing says what the function `{name}` returns");
            let hint = "describe it in a `.yml` file beside it: `functions: [{name: ..., arguments: [...], returns: \
                        {data_type: ...}}]`";
            self.diagnostics.push(
                Diagnostic::error("bad-function", message).at(Location::of_file(&file.source), "").with_hint(hint),
            );
            return;
        };
        let own = self.signature(package.name(), &described.arguments, returns);
        self.check_arguments(name, &described.arguments);
        let placeholder = FunctionDetail { own: own.clone(), overloads: Vec::new() };
        let mut draft = file_draft(ResourceType::Function, package, file, Detail::Function(Box::new(placeholder)));
        let mut counts = vec![counts_of(&own)];
        let mut overloads = Vec::new();
        for written in &described.overloads {
            let signature =
                self.signature(package.name(), &written.arguments, written.returns.as_ref().unwrap_or(returns));
            self.check_arguments(&written.defined_in.value, &written.arguments);
            let takes = counts_of(&signature);
            if counts.iter().any(|(least, most)| takes.0 <= *most && *least <= takes.1) {
                let message = format!("two forms of the function `{name}` take the same number of arguments");
                let hint = "forms are told apart by the number of their arguments: give one of them another name";
                self.diagnostics.push(
                    Diagnostic::error("bad-function", message)
                        .at(written.defined_in.location.clone(), "")
                        .with_hint(hint),
                );
            }
            counts.push(takes);
            overloads.extend(self.overload(package, written, signature, &mut draft));
        }
        draft.detail = Detail::Function(Box::new(FunctionDetail { own, overloads }));
        self.add(draft);
    }

    /// Another form of a function. What it refers to, the function depends on.
    fn overload(
        &mut self,
        package: &'a Package,
        written: &OverloadProperties,
        signature: Signature,
        function: &mut Draft<'a>,
    ) -> Option<Overload> {
        let stems = || package.functions.iter().map(|file| (folders_and_stem(&file.relative).1, file));
        let Some((_, file)) = stems().find(|(stem, _)| *stem == written.defined_in.value) else {
            let message = format!("there is no file `{}.sql` in the folder of functions", written.defined_in.value);
            let diagnostic = Diagnostic::error("bad-function", message).at(written.defined_in.location.clone(), "");
            let near = did_you_mean(&written.defined_in.value, stems().map(|(stem, _)| stem));
            self.diagnostics.push(match near {
                Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
                None => diagnostic,
            });
            return None;
        };
        let draft = file_draft(ResourceType::Function, package, file, Detail::Analysis);
        let (recorded, ..) = self.render(&draft, IndexMap::new());
        function.declared.extend(recorded.refs.into_iter().map(Declared::Ref));
        function.declared.extend(recorded.sources.into_iter().map(Declared::Source));
        function.declared.extend(recorded.functions.into_iter().map(Declared::Function));
        Some(Overload {
            defined_in: written.defined_in.value.clone(),
            signature,
            own_returns: written.returns.is_some(),
            description: self.described(package.name(), written.description.as_ref()),
            code: draft.code?,
        })
    }

    fn signature(&mut self, package: &str, arguments: &[ArgumentProperties], returns: &ReturnsProperties) -> Signature {
        let arguments = arguments
            .iter()
            .map(|argument| Argument {
                name: argument.name.value.clone(),
                data_type: argument.data_type.value.clone(),
                description: self.described(package, argument.description.as_ref()),
                default_value: argument.default_value.clone(),
            })
            .collect();
        let returns = Returns {
            data_type: returns.data_type.value.clone(),
            description: self.described(package, returns.description.as_ref()),
        };
        Signature { arguments, returns }
    }

    fn described(&mut self, package: &str, description: Option<&Spanned<String>>) -> Option<String> {
        description.map(|written| self.describe(package, Some(written)))
    }

    /// An argument has a name of its own, and what may be left out comes last.
    fn check_arguments(&mut self, function: &str, arguments: &[ArgumentProperties]) {
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut optional: Option<&str> = None;
        for argument in arguments {
            let name = &argument.name.value;
            let message = if !names.insert(name.to_lowercase()) {
                format!("the function `{function}` has the argument `{name}` twice")
            } else if let (Some(before), None) = (optional, &argument.default_value) {
                format!("the argument `{name}` of the function `{function}` must have a default, as `{before}` has one")
            } else {
                optional = argument.default_value.as_ref().map(|_| name.as_str()).or(optional);
                continue;
            };
            self.diagnostics.push(Diagnostic::error("bad-function", message).at(argument.name.location.clone(), ""));
        }
    }
}

/// How many arguments a call may have: the least and the most.
fn counts_of(signature: &Signature) -> (usize, usize) {
    let needed = signature.arguments.iter().filter(|argument| argument.default_value.is_none()).count();
    (needed, signature.arguments.len())
}
