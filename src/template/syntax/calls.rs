//! Looks at the calls of a template without evaluating it: which macros it may call, and what its `config()` says as
//! written.

use crate::template::syntax::{Argument, Expression, ExpressionKind, Statement};

/// What a call calls, and with which arguments.
pub type Called<'a> = (&'a Expression, &'a [Argument]);

/// All calls of some statements, in the order of the text; a call stands before those within its arguments.
pub fn calls(statements: &[Statement]) -> Vec<Called<'_>> {
    let mut found = Vec::new();
    in_statements(statements, &mut found);
    found
}

fn in_statements<'a>(statements: &'a [Statement], found: &mut Vec<Called<'a>>) {
    for statement in statements {
        match statement {
            Statement::Raw(..) | Statement::Break | Statement::Continue => {}
            Statement::Emit(expression) | Statement::Do(expression) | Statement::Set(_, expression) => {
                in_expression(expression, found);
            }
            Statement::If(branches, otherwise) => {
                for (condition, body) in branches {
                    in_expression(condition, found);
                    in_statements(body, found);
                }
                in_statements(otherwise, found);
            }
            Statement::For(for_loop) => {
                in_expression(&for_loop.items, found);
                in_expressions(for_loop.condition.as_ref(), found);
                in_statements(&for_loop.body, found);
                in_statements(&for_loop.otherwise, found);
            }
            Statement::With(assignments, body) => {
                in_expressions(assignments.iter().map(|(_, value)| value), found);
                in_statements(body, found);
            }
            Statement::SetBlock(_, filter, body) => {
                in_expressions(filter.as_ref(), found);
                in_statements(body, found);
            }
            Statement::Filter(filter, body) => {
                in_expression(filter, found);
                in_statements(body, found);
            }
            Statement::Macro(definition) => in_statements(&definition.body, found),
            Statement::Call(expression, body) => {
                in_expression(expression, found);
                in_statements(&body.body, found);
            }
        }
    }
}

fn in_expressions<'a>(expressions: impl IntoIterator<Item = &'a Expression>, found: &mut Vec<Called<'a>>) {
    expressions.into_iter().for_each(|expression| in_expression(expression, found));
}

fn in_arguments<'a>(arguments: &'a [Argument], found: &mut Vec<Called<'a>>) {
    in_expressions(arguments.iter().map(value_of), found);
}

fn value_of(argument: &Argument) -> &Expression {
    match argument {
        Argument::Positional(value)
        | Argument::Keyword(_, value)
        | Argument::Splat(value)
        | Argument::KeywordSplat(value) => value,
    }
}

fn in_expression<'a>(expression: &'a Expression, found: &mut Vec<Called<'a>>) {
    match &expression.kind {
        ExpressionKind::Name(_) | ExpressionKind::Constant(_) => {}
        ExpressionKind::List(items) | ExpressionKind::Tuple(items) => in_expressions(items, found),
        ExpressionKind::Dict(pairs) => in_expressions(pairs.iter().flat_map(|(key, value)| [key, value]), found),
        ExpressionKind::Not(inner) | ExpressionKind::Negate(inner) | ExpressionKind::Attribute(inner, _) => {
            in_expression(inner, found);
        }
        ExpressionKind::And(left, right)
        | ExpressionKind::Or(left, right)
        | ExpressionKind::Binary(_, left, right)
        | ExpressionKind::Item(left, right) => in_expressions([&**left, &**right], found),
        ExpressionKind::Compare(first, rest) => {
            in_expression(first, found);
            in_expressions(rest.iter().map(|(_, value)| value), found);
        }
        ExpressionKind::Conditional(parts, otherwise) => {
            in_expressions([&parts.1, &parts.0], found);
            in_expressions(otherwise.as_deref(), found);
        }
        ExpressionKind::Filter(_, value, arguments) => {
            in_expressions(value.as_deref(), found);
            in_arguments(arguments, found);
        }
        ExpressionKind::Test(_, value, arguments) => {
            in_expression(value, found);
            in_arguments(arguments, found);
        }
        ExpressionKind::Slice(value, bounds) => {
            in_expression(value, found);
            in_expressions(bounds.iter().filter_map(Option::as_deref), found);
        }
        ExpressionKind::Call(callee, arguments) => {
            found.push((callee, arguments));
            in_expression(callee, found);
            in_arguments(arguments, found);
        }
    }
}
