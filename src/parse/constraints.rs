//! Constraints of models and columns: their texts are rendered, their targets read, and what contradicts is reported.

use crate::base::diagnostic::Diagnostic;
use crate::base::ident::unquoted;
use crate::base::source::Location;
use crate::files::yaml::Spanned;
use crate::manifest::config::{Materialization, OnSchemaChange};
use crate::manifest::constraint::{Constraint, ConstraintKind, KeyTarget};
use crate::manifest::node::Node;
use crate::parse::builder::Builder;
use crate::parse::calls::{Call, parse_call};

impl Builder<'_> {
    /// Renders the texts of constraints and reads where foreign keys lead.
    pub fn constraints(&mut self, package: &str, written: &[Constraint]) -> Vec<Constraint> {
        written.iter().map(|constraint| self.one_constraint(package, constraint)).collect()
    }

    fn one_constraint(&mut self, package: &str, written: &Constraint) -> Constraint {
        let mut constraint = written.clone();
        let Some(place) = written.location.clone() else { return constraint };
        if let Some(expression) = &written.expression {
            let rendered = self.rendered(package, &Spanned::new(expression.clone(), place.clone()));
            constraint.expression = rendered.map(|text| text.value);
        }
        if let Some(to) = &written.to {
            constraint.target = match parse_call(to, &place) {
                Some(Call::Ref(call)) => Some(KeyTarget::Ref(call)),
                Some(Call::Source(call)) => Some(KeyTarget::Source(call)),
                None | Some(Call::Metric(_)) => {
                    let message = format!("a foreign key leads to `{to}`, which is neither a `ref` nor a `source`");
                    let diagnostic = Diagnostic::error("bad-constraint", message).at(place, "");
                    self.diagnostics
                        .push(diagnostic.with_hint("write `to: ref('model')` or `to: source('source', 'table')`"));
                    None
                }
            };
        }
        constraint
    }

    /// What contradicts in the constraints of a model. Only an enforced contract needs them to be complete.
    pub fn check_constraints(&mut self, node: &Node) {
        let Some(model) = node.model() else { return };
        let of_columns: Vec<&Constraint> =
            node.columns.values().flat_map(|column| &column.constraints).filter(|one| is_key(one)).collect();
        let of_model = model.constraints.iter().find(|one| is_key(one));
        let place = |constraint: &Constraint| constraint.location.clone();
        match (of_columns.as_slice(), of_model) {
            ([_, second, ..], _) => self.contradiction(
                place(second),
                format!("model `{}` has two columns that are its primary key", node.name),
                "say a primary key of several columns on the model: `constraints: [{type: primary_key, columns: [...]}]`",
            ),
            ([one], Some(_)) => self.contradiction(
                place(one),
                format!("model `{}` has a primary key of its own and one on a column", node.name),
                "keep one of them",
            ),
            _ => {}
        }
        if !node.config.contract_enforced {
            return;
        }
        if node.columns.is_empty() {
            let message = format!("model `{}` has an enforced contract, but no columns", node.name);
            let diagnostic = Diagnostic::error("contract", message).at_maybe(node.location.clone(), "");
            self.diagnostics
                .push(diagnostic.with_hint("list its `columns` with their `data_type` in a properties file"));
        }
        let keeps = matches!(node.config.on_schema_change, OnSchemaChange::AppendNewColumns | OnSchemaChange::Fail);
        if node.config.materialized == Materialization::Incremental && !keeps {
            // With the others the table would have columns that the contract does not name, or lose some that it does.
            let message = format!(
                "model `{}` is incremental and has an enforced contract, but its `on_schema_change` is `{}`",
                node.name,
                node.config.on_schema_change.as_str()
            );
            let diagnostic = Diagnostic::error("contract", message).at_maybe(node.location.clone(), "");
            self.diagnostics.push(diagnostic.with_hint("set it to `append_new_columns` or `fail`"));
        }
        let all = node.columns.values().flat_map(|column| &column.constraints).chain(&model.constraints);
        for constraint in all {
            self.check_complete(node, constraint);
        }
    }

    fn check_complete(&mut self, node: &Node, constraint: &Constraint) {
        let kind = constraint.kind.as_str();
        let no_columns = constraint.columns.is_empty();
        let missing = match constraint.kind {
            ConstraintKind::Check if constraint.expression.is_none() => Some("no `expression`"),
            ConstraintKind::NotNull
            | ConstraintKind::Unique
            | ConstraintKind::PrimaryKey
            | ConstraintKind::ForeignKey
                if no_columns =>
            {
                Some("no `columns`")
            }
            ConstraintKind::ForeignKey if constraint.to.is_none() && constraint.expression.is_none() => Some("no `to`"),
            ConstraintKind::ForeignKey
                if constraint.to.is_some() && constraint.to_columns.len() != constraint.columns.len() =>
            {
                Some("not as many `to_columns` as columns")
            }
            _ => None,
        };
        if let Some(missing) = missing {
            let message = format!("the constraint `{kind}` of model `{}` has {missing}", node.name);
            let diagnostic = Diagnostic::error("bad-constraint", message);
            self.diagnostics.push(diagnostic.at_maybe(constraint.location.clone(), ""));
        }
        for column in &constraint.columns {
            let is_named = |known: &str| match unquoted(column) {
                Some(name) => known == name,
                None => known.eq_ignore_ascii_case(column),
            };
            if !node.columns.keys().any(|known| is_named(known)) {
                let message = format!(
                    "the constraint `{kind}` of model `{}` names `{column}`, which is none of its columns",
                    node.name
                );
                let near = crate::base::diagnostic::did_you_mean(column, node.columns.keys().map(String::as_str));
                let diagnostic = Diagnostic::error("bad-constraint", message).at_maybe(constraint.location.clone(), "");
                self.diagnostics.push(match near {
                    Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
                    None => diagnostic,
                });
            }
        }
    }

    fn contradiction(&mut self, place: Option<Location>, message: String, hint: &str) {
        self.diagnostics.push(Diagnostic::error("bad-constraint", message).at_maybe(place, "").with_hint(hint));
    }
}

fn is_key(constraint: &Constraint) -> bool {
    constraint.kind == ConstraintKind::PrimaryKey
}
