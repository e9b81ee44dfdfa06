//! From minijinja's borrowed tree to the owned one, with positions of the user's file.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::machinery::{self, ast};

use crate::base::diagnostic::{Diagnostic, did_you_mean};
use crate::template::syntax::rewrite::{DO_TARGET, Rewritten, rewrite, span_of};
use crate::template::syntax::{
    Argument, Comparison, DISPATCHED, Expression, ExpressionKind, ForLoop, MacroDefinition, Operator, Origin,
    Parameter, Span, Statement, Target, Template,
};

const STATEMENTS: [&str; 15] = [
    "if", "elif", "else", "endif", "for", "endfor", "set", "endset", "macro", "endmacro", "call", "endcall", "do",
    "filter", "with",
];

/// Reads a template. All that can be wrong is syntax; the first problem is reported.
pub fn parse_template(text: &str, origin: &Arc<Origin>) -> Result<Template, Box<Diagnostic>> {
    let rewritten = rewrite(text, origin)?;
    let config = minijinja::syntax::SyntaxConfig::default();
    let tree = machinery::parse(&rewritten.text, "template", config).map_err(|error| {
        let range = error.range().unwrap_or(0..0);
        syntax_error(&error, rewritten.original(range), origin)
    })?;
    let mut lowering = Lowering { rewritten: &rewritten, origin, mentions: BTreeSet::new() };
    let ast::Stmt::Template(root) = &tree else {
        return Err(Box::new(Diagnostic::error("jinja-syntax", "the template cannot be read")));
    };
    let body = lowering.statements(&root.children)?;
    Ok(Template { body, mentions: lowering.mentions })
}

fn syntax_error(error: &minijinja::Error, span: Span, origin: &Origin) -> Box<Diagnostic> {
    let detail = error.detail().unwrap_or("the template cannot be read").trim_end_matches('.').to_owned();
    let mut diagnostic = Diagnostic::error("jinja-syntax", detail.clone()).at(origin.location(span), "");
    if let Some(name) = detail.strip_prefix("unknown statement ") {
        diagnostic.message = format!("unknown statement `{name}`");
        if let Some(candidate) = did_you_mean(name, STATEMENTS) {
            diagnostic = diagnostic.with_hint(format!("did you mean `{candidate}`?"));
        }
    }
    Box::new(diagnostic)
}

struct Lowering<'a> {
    rewritten: &'a Rewritten,
    origin: &'a Arc<Origin>,
    mentions: BTreeSet<Arc<str>>,
}

type Lowered<T> = Result<T, Box<Diagnostic>>;

impl Lowering<'_> {
    fn span(&self, span: machinery::Span) -> Span {
        self.rewritten.original(span.start_offset as usize..span.end_offset as usize)
    }

    fn refuse<T>(&self, span: machinery::Span, what: &str) -> Lowered<T> {
        let message = format!("`{what}` is not a part of the template language");
        let location = self.origin.location(self.span(span));
        Err(Box::new(
            Diagnostic::error("jinja-syntax", message)
                .at(location, "")
                .with_hint("share code with macros, and models with `ref()`"),
        ))
    }

    fn statements(&mut self, statements: &[ast::Stmt<'_>]) -> Lowered<Vec<Statement>> {
        statements.iter().map(|statement| self.statement(statement)).collect()
    }

    fn statement(&mut self, statement: &ast::Stmt<'_>) -> Lowered<Statement> {
        Ok(match statement {
            ast::Stmt::EmitRaw(raw) => Statement::Raw(raw.raw.into(), self.span(raw.span())),
            ast::Stmt::EmitExpr(emit) => {
                let mut expression = self.expression(&emit.expr)?;
                // The emitting span covers brackets and filters, which the expression's own may not.
                expression.span = self.span(emit.span());
                Statement::Emit(expression)
            }
            ast::Stmt::IfCond(condition) => self.if_statement(condition)?,
            ast::Stmt::ForLoop(for_loop) => Statement::For(Arc::new(ForLoop {
                target: self.target(&for_loop.target)?,
                items: self.expression(&for_loop.iter)?,
                condition: for_loop.filter_expr.as_ref().map(|condition| self.expression(condition)).transpose()?,
                recursive: for_loop.recursive,
                body: self.statements(&for_loop.body)?,
                otherwise: self.statements(&for_loop.else_body)?,
            })),
            ast::Stmt::WithBlock(with) => {
                let mut assignments = Vec::new();
                for (target, value) in &with.assignments {
                    assignments.push((self.target(target)?, self.expression(value)?));
                }
                Statement::With(assignments, self.statements(&with.body)?)
            }
            ast::Stmt::Set(set) => match &set.target {
                ast::Expr::Var(name) if name.id == DO_TARGET => Statement::Do(self.expression(&set.expr)?),
                target => Statement::Set(self.target(target)?, self.expression(&set.expr)?),
            },
            ast::Stmt::SetBlock(set) => Statement::SetBlock(
                self.target(&set.target)?,
                set.filter.as_ref().map(|filter| self.expression(filter)).transpose()?,
                self.statements(&set.body)?,
            ),
            ast::Stmt::FilterBlock(block) => {
                Statement::Filter(self.expression(&block.filter)?, self.statements(&block.body)?)
            }
            ast::Stmt::Macro(definition) => Statement::Macro(Arc::new(self.definition(definition, definition.span())?)),
            ast::Stmt::CallBlock(block) => {
                let mut call = self.call(&block.call.expr, &block.call.args)?;
                call.span = self.span(block.call_expr_span);
                Statement::Call(call, Arc::new(self.definition(&block.macro_decl, block.macro_decl.span())?))
            }
            ast::Stmt::Do(statement) => Statement::Do(self.call(&statement.call.expr, &statement.call.args)?),
            ast::Stmt::Break(_) => Statement::Break,
            ast::Stmt::Continue(_) => Statement::Continue,
            ast::Stmt::Template(template) => return self.refuse(template.span(), "template"),
            ast::Stmt::AutoEscape(block) => return self.refuse(block.span(), "autoescape"),
            ast::Stmt::Block(block) => return self.refuse(block.span(), "block"),
            ast::Stmt::Import(import) => return self.refuse(import.span(), "import"),
            ast::Stmt::FromImport(import) => return self.refuse(import.span(), "from"),
            ast::Stmt::Extends(extends) => return self.refuse(extends.span(), "extends"),
            ast::Stmt::Include(include) => return self.refuse(include.span(), "include"),
        })
    }

    /// Flattens `elif`, which the parser nests, so that a long chain does not nest the evaluation.
    fn if_statement(&mut self, condition: &ast::IfCond<'_>) -> Lowered<Statement> {
        let mut branches = Vec::new();
        let mut current = condition;
        loop {
            branches.push((self.expression(&current.expr)?, self.statements(&current.true_body)?));
            match current.false_body.as_slice() {
                [ast::Stmt::IfCond(next)] => current = next,
                rest => return Ok(Statement::If(branches, self.statements(rest)?)),
            }
        }
    }

    fn definition(&mut self, definition: &ast::Macro<'_>, span: machinery::Span) -> Lowered<MacroDefinition> {
        let outer = std::mem::take(&mut self.mentions);
        let first_default = definition.args.len().saturating_sub(definition.defaults.len());
        let mut parameters = Vec::new();
        for (index, argument) in definition.args.iter().enumerate() {
            let default = index.checked_sub(first_default).and_then(|index| definition.defaults.get(index));
            let ast::Expr::Var(name) = argument else { continue };
            parameters.push(Parameter {
                name: name.id.into(),
                default: default.map(|value| self.expression(value)).transpose()?,
            });
        }
        let body = self.statements(&definition.body)?;
        let mentions = std::mem::replace(&mut self.mentions, outer);
        self.mentions.extend(mentions.iter().cloned());
        let (name, origin) = (definition.name.into(), Arc::clone(self.origin));
        Ok(MacroDefinition { name, parameters, body, origin, span: self.span(span), mentions })
    }

    fn target(&mut self, target: &ast::Expr<'_>) -> Lowered<Target> {
        let span = self.span(target.span());
        Ok(match target {
            ast::Expr::Var(name) => Target::Name(name.id.into(), span),
            ast::Expr::GetAttr(attribute) => {
                Target::Attribute(Box::new(self.expression(&attribute.expr)?), attribute.name.into(), span)
            }
            ast::Expr::List(list) => {
                Target::Unpack(list.items.iter().map(|item| self.target(item)).collect::<Lowered<_>>()?, span)
            }
            other => {
                let message = format!("cannot assign to a {}", other.description());
                let location = self.origin.location(span);
                return Err(Box::new(Diagnostic::error("jinja-syntax", message).at(location, "")));
            }
        })
    }

    fn boxed(&mut self, expression: &ast::Expr<'_>) -> Lowered<Box<Expression>> {
        Ok(Box::new(self.expression(expression)?))
    }

    fn list(&mut self, items: &[ast::Expr<'_>]) -> Lowered<Vec<Expression>> {
        items.iter().map(|item| self.expression(item)).collect()
    }

    fn arguments(&mut self, arguments: &[ast::CallArg<'_>]) -> Lowered<Vec<Argument>> {
        arguments
            .iter()
            .map(|argument| {
                Ok(match argument {
                    ast::CallArg::Pos(value) => Argument::Positional(self.expression(value)?),
                    ast::CallArg::Kwarg(name, value) => Argument::Keyword((*name).into(), self.expression(value)?),
                    ast::CallArg::PosSplat(value) => Argument::Splat(self.expression(value)?),
                    ast::CallArg::KwargSplat(value) => Argument::KeywordSplat(self.expression(value)?),
                })
            })
            .collect()
    }

    fn call(&mut self, callee: &ast::Expr<'_>, arguments: &[ast::CallArg<'_>]) -> Lowered<Expression> {
        let callee = self.boxed(callee)?;
        let arguments = self.arguments(arguments)?;
        if let (ExpressionKind::Attribute(_, name), Some(Argument::Positional(first))) =
            (&callee.kind, arguments.first())
            && name.as_ref() == "dispatch"
            && let ExpressionKind::Constant(dispatched) = &first.kind
            && let Some(dispatched) = dispatched.as_str()
        {
            self.mentions.extend(DISPATCHED.iter().map(|prefix| format!("{prefix}__{dispatched}").into()));
        }
        let span = callee.span;
        Ok(Expression { kind: ExpressionKind::Call(callee, arguments), span })
    }

    fn expression(&mut self, expression: &ast::Expr<'_>) -> Lowered<Expression> {
        let kind = match expression {
            ast::Expr::Var(name) => {
                self.mentions.insert(name.id.into());
                ExpressionKind::Name(name.id.into())
            }
            ast::Expr::Const(constant) => ExpressionKind::Constant(constant.value.clone()),
            ast::Expr::List(list) => ExpressionKind::List(self.list(&list.items)?),
            ast::Expr::Tuple(tuple) => ExpressionKind::Tuple(self.list(&tuple.items)?),
            ast::Expr::Map(map) => {
                let mut pairs = Vec::new();
                for (key, value) in map.keys.iter().zip(&map.values) {
                    pairs.push((self.expression(key)?, self.expression(value)?));
                }
                ExpressionKind::Dict(pairs)
            }
            ast::Expr::UnaryOp(unary) => {
                let operand = self.boxed(&unary.expr)?;
                match unary.op {
                    ast::UnaryOpKind::Not => ExpressionKind::Not(operand),
                    ast::UnaryOpKind::Neg => ExpressionKind::Negate(operand),
                }
            }
            ast::Expr::BinOp(binary) => self.binary(binary)?,
            ast::Expr::Compare(compare) => {
                let mut rest = Vec::new();
                for operation in &compare.ops {
                    rest.push((comparison(operation.op), self.expression(&operation.expr)?));
                }
                ExpressionKind::Compare(self.boxed(&compare.expr)?, rest)
            }
            ast::Expr::IfExpr(conditional) => {
                let condition = self.expression(&conditional.test_expr)?;
                let value = self.expression(&conditional.true_expr)?;
                let otherwise = conditional.false_expr.as_ref().map(|value| self.boxed(value)).transpose()?;
                ExpressionKind::Conditional(Box::new((condition, value)), otherwise)
            }
            ast::Expr::Filter(filter) => ExpressionKind::Filter(
                filter.name.into(),
                filter.expr.as_ref().map(|value| self.boxed(value)).transpose()?,
                self.arguments(&filter.args)?,
            ),
            ast::Expr::Test(test) => {
                ExpressionKind::Test(test.name.into(), self.boxed(&test.expr)?, self.arguments(&test.args)?)
            }
            ast::Expr::GetAttr(attribute) => {
                self.mentions.insert(attribute.name.into());
                ExpressionKind::Attribute(self.boxed(&attribute.expr)?, attribute.name.into())
            }
            ast::Expr::GetItem(item) => {
                ExpressionKind::Item(self.boxed(&item.expr)?, self.boxed(&item.subscript_expr)?)
            }
            ast::Expr::Slice(slice) => {
                let mut bound = |part: &Option<ast::Expr<'_>>| part.as_ref().map(|part| self.boxed(part)).transpose();
                let bounds = [bound(&slice.start)?, bound(&slice.stop)?, bound(&slice.step)?];
                ExpressionKind::Slice(self.boxed(&slice.expr)?, bounds)
            }
            ast::Expr::Call(call) => {
                let mut lowered = self.call(&call.expr, &call.args)?;
                let own = self.span(call.span());
                lowered.span = Span { start: lowered.span.start.min(own.start), end: own.end };
                return Ok(lowered);
            }
        };
        Ok(Expression { span: self.covering(expression, &kind), kind })
    }

    /// The parser's span of a postfix expression begins at its last link; the user looks for its beginning.
    fn covering(&self, expression: &ast::Expr<'_>, kind: &ExpressionKind) -> Span {
        let own = self.span(expression.span());
        let first = match kind {
            ExpressionKind::Attribute(value, _) | ExpressionKind::Item(value, _) | ExpressionKind::Slice(value, _) => {
                value.span.start
            }
            ExpressionKind::Filter(_, Some(value), _) | ExpressionKind::Test(_, value, _) => value.span.start,
            ExpressionKind::Binary(_, left, right)
            | ExpressionKind::And(left, right)
            | ExpressionKind::Or(left, right) => {
                return span_of(&(left.span.start..right.span.end.max(own.end)));
            }
            ExpressionKind::Compare(left, _) => return span_of(&(left.span.start..own.end)),
            ExpressionKind::Conditional(parts, _) => return span_of(&(parts.1.span.start..own.end)),
            _ => own.start,
        };
        Span { start: first.min(own.start), end: own.end }
    }

    fn binary(&mut self, binary: &ast::BinOp<'_>) -> Lowered<ExpressionKind> {
        let left = self.boxed(&binary.left)?;
        let right = self.boxed(&binary.right)?;
        let operator = match binary.op {
            ast::BinOpKind::ScAnd => return Ok(ExpressionKind::And(left, right)),
            ast::BinOpKind::ScOr => return Ok(ExpressionKind::Or(left, right)),
            ast::BinOpKind::Add => Operator::Add,
            ast::BinOpKind::Sub => Operator::Subtract,
            ast::BinOpKind::Mul => Operator::Multiply,
            ast::BinOpKind::Div => Operator::Divide,
            ast::BinOpKind::FloorDiv => Operator::FloorDivide,
            ast::BinOpKind::Rem => Operator::Remainder,
            ast::BinOpKind::Pow => Operator::Power,
            ast::BinOpKind::Concat => Operator::Concatenate,
            ast::BinOpKind::Eq => return Ok(single(Comparison::Equal, left, *right)),
            ast::BinOpKind::Ne => return Ok(single(Comparison::NotEqual, left, *right)),
            ast::BinOpKind::Lt => return Ok(single(Comparison::Less, left, *right)),
            ast::BinOpKind::Lte => return Ok(single(Comparison::LessOrEqual, left, *right)),
            ast::BinOpKind::Gt => return Ok(single(Comparison::Greater, left, *right)),
            ast::BinOpKind::Gte => return Ok(single(Comparison::GreaterOrEqual, left, *right)),
            ast::BinOpKind::In => return Ok(single(Comparison::In, left, *right)),
        };
        Ok(ExpressionKind::Binary(operator, left, right))
    }
}

fn single(comparison: Comparison, left: Box<Expression>, right: Expression) -> ExpressionKind {
    ExpressionKind::Compare(left, vec![(comparison, right)])
}

fn comparison(kind: ast::CompareOpKind) -> Comparison {
    match kind {
        ast::CompareOpKind::Eq => Comparison::Equal,
        ast::CompareOpKind::Ne => Comparison::NotEqual,
        ast::CompareOpKind::Lt => Comparison::Less,
        ast::CompareOpKind::Lte => Comparison::LessOrEqual,
        ast::CompareOpKind::Gt => Comparison::Greater,
        ast::CompareOpKind::Gte => Comparison::GreaterOrEqual,
        ast::CompareOpKind::In => Comparison::In,
        ast::CompareOpKind::NotIn => Comparison::NotIn,
    }
}
