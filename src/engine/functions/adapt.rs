//! Spellings of other dialects that the parser accepts and the planner does not, rewritten in the parsed statement: bare
//! date parts, `within group` and `separator` of aggregates over text, `mode() within group`, and `localtimestamp`
//! without parentheses. Timestamps without a precision get that of the warehouse, microseconds: the planner's own
//! nanoseconds end in the year 2262.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, TimezoneInfo, Value, VisitMut,
    visit_expressions_mut,
};

use super::dates::Part;

/// Rewrites, in a parsed statement or expression, the spellings that the planner would refuse.
///
/// A bare word such as `day` in the place of a date part is always the date part, and never a column of that name.
pub fn adapt<V: VisitMut>(node: &mut V) {
    let _: ControlFlow<()> = visit_expressions_mut(node, |expr| {
        match expr {
            Expr::Function(function) => adapt_function(function),
            Expr::Identifier(name) if is_word(name, "localtimestamp") => *expr = call(name.clone()),
            Expr::Cast { data_type, .. } => in_microseconds(data_type),
            Expr::TypedString(typed) => in_microseconds(&mut typed.data_type),
            _ => {}
        }
        ControlFlow::Continue(())
    });
}

/// Gives a timestamp type without a precision that of the warehouse.
fn in_microseconds(data_type: &mut DataType) {
    const DIGITS: Option<u64> = Some(6);
    match data_type {
        DataType::Timestamp(precision @ None, _) => *precision = DIGITS,
        DataType::Datetime(None) | DataType::TimestampNtz(None) => {
            *data_type = DataType::Timestamp(DIGITS, TimezoneInfo::None);
        }
        DataType::Array(
            ArrayElemTypeDef::AngleBracket(item)
            | ArrayElemTypeDef::SquareBracket(item, _)
            | ArrayElemTypeDef::Parenthesis(item),
        ) => in_microseconds(item),
        _ => {}
    }
}

fn is_word(name: &Ident, word: &str) -> bool {
    name.quote_style.is_none() && name.value.eq_ignore_ascii_case(word)
}

/// A call of a function without arguments.
fn call(name: Ident) -> Expr {
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: Vec::new(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn adapt_function(function: &mut Function) {
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return };
    let name = name.value.to_ascii_lowercase();
    let FunctionArguments::List(list) = &mut function.args else { return };
    match name.as_str() {
        "datediff" | "date_diff" | "dateadd" | "timestampadd" | "date_trunc" | "datetrunc" | "date_part"
        | "datepart" => {
            quote_part(list, 0);
        }
        "date_add" if list.args.len() == 3 => quote_part(list, 0),
        "last_day" => quote_part(list, 1),
        "listagg" | "group_concat" | "string_agg" => {
            if !function.within_group.is_empty() {
                list.clauses.push(FunctionArgumentClause::OrderBy(std::mem::take(&mut function.within_group)));
            }
            separate(list);
        }
        "array_agg" if !function.within_group.is_empty() => {
            list.clauses.push(FunctionArgumentClause::OrderBy(std::mem::take(&mut function.within_group)));
        }
        "percentile_disc" | "quantile_disc" if list.args.len() == 1 => {
            if let [value] = function.within_group.as_slice() {
                let argument = |expr: Expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
                list.args.insert(0, argument(value.expr.clone()));
                let descending = value.options.asc == Some(false);
                list.args.push(argument(Expr::Value(Value::Boolean(descending).into())));
                function.within_group.clear();
            }
        }
        "mode" if list.args.is_empty() => {
            if let [value] = function.within_group.as_slice() {
                list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(value.expr.clone())));
                function.within_group.clear();
            }
        }
        _ => {}
    }
}

/// Turns the bare name of a date part into its text.
fn quote_part(list: &mut FunctionArgumentList, index: usize) {
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(part))) = list.args.get_mut(index) else { return };
    let Expr::Identifier(name) = part else { return };
    let native = ["dow", "doy", "isodow", "isoyear", "epoch"];
    let known = Part::parse("", &name.value).is_ok() || native.iter().any(|word| is_word(name, word));
    if known && name.quote_style.is_none() {
        *part = Expr::Value(Value::SingleQuotedString(name.value.clone()).into());
    }
}

/// Turns a clause `separator ','` into the second argument.
fn separate(list: &mut FunctionArgumentList) {
    let clause = list.clauses.iter().position(|clause| matches!(clause, FunctionArgumentClause::Separator(_)));
    let Some(clause) = clause else { return };
    if let FunctionArgumentClause::Separator(separator) = list.clauses.remove(clause) {
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(separator))));
    }
}
