//! The comment that the project puts at the SQL of the query log (dbt's `query-comment`).

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::base::diagnostic::Diagnostic;
use crate::base::source::SourceFile;
use crate::compile::host::Invocation;
use crate::compile::introspect::Introspect;
use crate::compile::node::compile_code;
use crate::files::query_comment::Comment;
use crate::manifest::node::{Code, Node};
use crate::parse::DBT_VERSION;
use crate::template::RenderError;

/// SQL with its comment; the connection has the name of the node, or another one where there is no node.
pub fn commented(
    invocation: &Arc<Invocation>,
    view: &Arc<dyn Introspect>,
    connection: &str,
    node: Option<&Arc<Node>>,
    sql: &str,
) -> Result<String, RenderError> {
    let text = match &invocation.query_comment.comment {
        Comment::Nothing => return Ok(sql.to_owned()),
        Comment::Facts => facts(invocation, connection, node),
        Comment::Template(template) => rendered(invocation, view, template, connection, node)?,
    };
    let text = text.trim();
    if text.contains("*/") {
        let message = "the query comment has `*/`, which ends a comment";
        let diagnostic = Diagnostic::error("bad-config", message)
            .with_note(format!("it is: {text}"))
            .known_as("query comment contains illegal value \"*/\"");
        return Err(RenderError::Diagnostic(Box::new(diagnostic)));
    }
    Ok(match (text, invocation.query_comment.append) {
        ("", _) => sql.to_owned(),
        (text, false) => format!("/* {text} */\n{sql}"),
        (text, true) => {
            let sql = sql.trim_end();
            let (sql, end) = sql.strip_suffix(';').map_or((sql, ""), |sql| (sql, ";"));
            format!("{sql}\n/* {text} */{end}")
        }
    })
}

fn facts(invocation: &Invocation, connection: &str, node: Option<&Arc<Node>>) -> String {
    let target = &invocation.target;
    let mut facts = json!({
        "app": "dbt",
        "dbt_version": DBT_VERSION,
        "profile_name": target.profile,
        "target_name": target.name,
    });
    match node {
        Some(node) => facts["node_id"] = json!(node.id.as_str()),
        None => facts["connection_name"] = json!(connection),
    }
    facts.to_string()
}

/// As under dbt, the text is the body of a macro, so that it may return.
fn rendered(
    invocation: &Arc<Invocation>,
    view: &Arc<dyn Introspect>,
    template: &str,
    connection: &str,
    node: Option<&Arc<Node>>,
) -> Result<String, RenderError> {
    let text = format!(
        "{{%- macro query_comment_macro(connection_name, node) -%}}\n{template}\n{{% endmacro -%}}\n\
         {{{{ query_comment_macro(connection_name, node) }}}}"
    );
    let code = Code { file: SourceFile::new("query-comment", text.as_str()), text: Arc::from(text), offset: Some(0) };
    let node = node.map_or(Json::Null, |node| (invocation.shapes.model)(node));
    let globals = IndexMap::from([("connection_name".to_owned(), json!(connection)), ("node".to_owned(), node)]);
    Ok(compile_code(invocation, view, &code, None, globals)?.sql)
}
