//! From text to [`Statement`]s.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};

use datafusion::sql::sqlparser::ast::{
    self, AlterColumnOperation, AlterTableOperation, Assignment, AssignmentTarget, ColumnDef, ColumnOption, Expr,
    FromTable, Ident, MergeAction, MergeClauseKind, MergeInsertKind, ObjectName, ObjectNamePart, ObjectType, Query,
    RenameTableNameKind, SchemaName, SelectItem, SetExpr, TableFactor, TableObject, TableWithJoins,
    UpdateTableFromKind,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::base::ident::{Identifier, quote};
use crate::engine::error::{SYNTAX_HINT, SqlProblem};
use crate::engine::guard;
use crate::engine::statement::refused::refuse;
use crate::engine::statement::scope::Scope;
use crate::engine::statement::{
    Action, Alter, Alteration, Clause, CreateTable, CreateView, Delete, Drop, Effect, Insert, Merge, NewColumn, Side,
    Statement, Update,
};
use crate::engine::syntax::Syntax;
use crate::engine::types::data_type_of;
use crate::engine::wording::lower_first;
use crate::manifest::relation::{Database, Namespace, Relation, RelationKey};

/// What names without a database or a schema mean.
#[derive(Debug, Clone, Copy)]
pub struct Defaults<'a> {
    /// The names of the target's own database, the present one first.
    pub homes: &'a [String],
    /// Other databases in which statements may change something.
    pub others: &'a [String],
    /// The default schema.
    pub schema: &'a str,
}

/// Reads the statements of a text.
pub fn read(sql: &str, syntax: Syntax, defaults: Defaults<'_>) -> Result<Vec<Statement>, SqlProblem> {
    let parts = guard::split_statements(sql, syntax)?;
    let reader = Reader { syntax, defaults };
    parts.into_iter().map(|(range, verb)| reader.statement(sql, range, verb)).collect()
}

/// The relations that a query names; what it names itself, with `with`, is none.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime, not of every")]
pub fn relations(sql: &str, syntax: Syntax, defaults: Defaults<'_>) -> BTreeSet<RelationKey> {
    let parsed = syntax.parse(sql, |parser| parser.parse_query());
    parsed.map(|query| named(query.as_ref(), &Reader { syntax, defaults })).unwrap_or_default()
}

fn named<T: ast::Visit>(tree: &T, reader: &Reader<'_>) -> BTreeSet<RelationKey> {
    struct Named<'a> {
        reader: &'a Reader<'a>,
        expressions: BTreeSet<String>,
        found: Vec<(bool, RelationKey)>,
    }
    impl ast::Visitor for Named<'_> {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            let expressions = query.with.iter().flat_map(|with| &with.cte_tables);
            self.expressions.extend(expressions.map(|one| one.alias.name.value.to_lowercase()));
            ControlFlow::Continue(())
        }

        fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
            if let Ok(relation) = self.reader.place(name) {
                self.found.push((name.0.len() == 1, relation.key()));
            }
            ControlFlow::Continue(())
        }
    }
    let mut visitor = Named { reader, expressions: BTreeSet::new(), found: Vec::new() };
    // The visitor never stops early.
    let _ = tree.visit(&mut visitor);
    let Named { expressions, found, .. } = visitor;
    let own = |(alone, key): &(bool, RelationKey)| *alone && expressions.contains(&key.identifier);
    found.into_iter().filter(|one| !own(one)).map(|(_, key)| key).collect()
}

struct Reader<'a> {
    syntax: Syntax,
    defaults: Defaults<'a>,
}

/// A problem without a place, or nothing wrong.
pub(super) type Read<T> = Result<T, SqlProblem>;

fn unsupported(what: impl Into<String>, hint: &str) -> SqlProblem {
    SqlProblem::new("unsupported-statement", what).hint(hint)
}

impl Reader<'_> {
    fn statement(&self, sql: &str, range: Range<usize>, verb: Keyword) -> Read<Statement> {
        let text = sql.get(range.clone()).unwrap_or_default();
        let fixed = match verb {
            Keyword::SELECT | Keyword::VALUES | Keyword::FROM => Some(Action::Query),
            Keyword::WITH if !self.with_changes(text) => Some(Action::Query),
            Keyword::BEGIN => Some(Action::Nothing("begin")),
            Keyword::START => Some(Action::Nothing("start transaction")),
            Keyword::COMMIT => Some(Action::Nothing("commit")),
            Keyword::ANALYZE => Some(Action::Nothing("analyze")),
            Keyword::VACUUM => Some(Action::Nothing("vacuum")),
            _ if first_words(text).starts_with("checkpoint") => Some(Action::Nothing("checkpoint")),
            _ => None,
        };
        if let Some(action) = fixed {
            return Ok(Statement { range, action, reads: BTreeSet::new() });
        }
        if verb == Keyword::ROLLBACK {
            return Err(refuse("rollback").at(first_word(&range, text)));
        }
        let parsed = self.parse(sql, &range)?;
        check_names(&parsed).map_err(|problem| placed(problem, sql, &range))?;
        let action = self.action(&parsed, text).map_err(|problem| placed(problem, sql, &range))?;
        let reads = self.reads(&parsed, &action);
        Ok(Statement { range, action, reads })
    }

    /// Whether `with` begins a statement that changes something.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime, not of every")]
    fn with_changes(&self, text: &str) -> bool {
        let parsed = self.syntax.parse(text, |parser| parser.parse_statement());
        match parsed {
            Ok(ast::Statement::Query(query)) => {
                matches!(*query.body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_))
            }
            _ => false,
        }
    }

    fn parse(&self, sql: &str, range: &Range<usize>) -> Read<ast::Statement> {
        let text = sql.get(range.clone()).unwrap_or_default();
        let words = first_words(text);
        // The parser knows no other change of a view than its query.
        let renamed = (words == "alter view" && text.to_lowercase().contains("rename"))
            .then(|| text.to_lowercase().find("view"))
            .flatten()
            .map(|at| format!("{}table{}", &text[..at], &text[at + "view".len()..]));
        let text = renamed.as_deref().unwrap_or(text);
        let parsed = self.syntax.parse(text, |parser| {
            let statement = parser.parse_statement()?;
            match parser.peek_token().token {
                Token::EOF => Ok(statement),
                other => Err(ParserError::ParserError(format!("expected the end of the statement, found `{other}`"))),
            }
        });
        parsed.map_err(|error| {
            let refused = refuse(&words);
            // What is refused anyway need not be understood.
            if refused.hint.is_some() && super::REFUSED.iter().any(|(verb, _)| words.starts_with(verb)) {
                return refused.at(first_word(range, text));
            }
            let message = match &error {
                ParserError::ParserError(message) | ParserError::TokenizerError(message) => message.clone(),
                ParserError::RecursionLimitExceeded => "the statement is nested too deep".to_owned(),
            };
            let (message, place) = split_place(&message);
            let at = place.map_or(range.start, |(line, column)| range.start + SqlProblem::offset(text, line, column));
            let at = at.min(range.end);
            SqlProblem::new("sql-syntax", lower_first(&message)).at(at..at).hint(SYNTAX_HINT)
        })
    }

    fn action(&self, statement: &ast::Statement, text: &str) -> Read<Action> {
        Ok(match statement {
            ast::Statement::CreateSchema { schema_name, .. } => match schema_name {
                SchemaName::Simple(name) | SchemaName::NamedAuthorization(name, _) => {
                    Action::CreateSchema(self.schema(name)?)
                }
                SchemaName::UnnamedAuthorization(_) => return Err(refuse(&first_words(text))),
            },
            ast::Statement::CreateTable(create) => Action::CreateTable(self.create_table(create)?),
            ast::Statement::CreateView(create) => Action::CreateView(self.create_view(create)?),
            ast::Statement::Insert(insert) => Action::Insert(self.insert(insert)?),
            ast::Statement::Update(update) => Action::Update(self.update(update)?),
            ast::Statement::Delete(delete) => Action::Delete(self.delete(delete)?),
            ast::Statement::Merge(merge) => Action::Merge(self.merge(merge)?),
            ast::Statement::Truncate(truncate) => {
                let names = truncate.table_names.iter().map(|target| self.relation(&target.name));
                Action::Truncate(names.collect::<Read<_>>()?)
            }
            ast::Statement::Drop { object_type, if_exists, names, cascade, .. } => match object_type {
                ObjectType::Schema => {
                    let [name] = names.as_slice() else {
                        return Err(unsupported("`drop schema` takes one name", "write one statement for each schema"));
                    };
                    Action::DropSchema { namespace: self.schema(name)?, cascade: *cascade }
                }
                ObjectType::Table | ObjectType::View | ObjectType::MaterializedView => Action::Drop(Drop {
                    relations: names.iter().map(|name| self.relation(name)).collect::<Read<_>>()?,
                    view: *object_type == ObjectType::View,
                    if_exists: *if_exists,
                }),
                _ => return Err(refuse(&first_words(text))),
            },
            ast::Statement::AlterTable(alter) => {
                let relation = self.relation(&alter.name)?;
                let mut steps = Vec::new();
                for operation in &alter.operations {
                    steps.push(self.alteration(operation, &relation)?);
                }
                Action::Alter(Alter { relation, if_exists: alter.if_exists, steps })
            }
            ast::Statement::RenameTable(renames) => match renames.as_slice() {
                [rename] => {
                    let relation = self.relation(&rename.old_name)?;
                    let to = self.relation(&rename.new_name)?;
                    Action::Alter(Alter { relation, if_exists: false, steps: vec![Alteration::RenameTo(to)] })
                }
                _ => return Err(unsupported("`rename table` takes one name", "write one statement for each table")),
            },
            ast::Statement::Query(_) => {
                return Err(unsupported(
                    "`with` before a statement that changes a table is not supported",
                    "write the common table expression inside: `insert into ... with x as (...) select ...`",
                ));
            }
            _ => return Err(refuse(&first_words(text))),
        })
    }

    /// The relations that a statement reads; the one that it changes is read only if it is named twice.
    fn reads(&self, statement: &ast::Statement, action: &Action) -> BTreeSet<RelationKey> {
        let changed = match action {
            Action::Insert(Insert { relation, .. })
            | Action::CreateTable(CreateTable { relation, .. })
            | Action::Update(Update { relation, .. })
            | Action::Delete(Delete { relation, .. })
            | Action::Merge(Merge { relation, .. }) => Some(relation.key()),
            _ => None,
        };
        let mut reads = match statement {
            ast::Statement::CreateView(create) => named(create.query.as_ref(), self),
            _ => named(statement, self),
        };
        // A view that names itself reads itself; a table that does was read before it changes.
        if let Some(changed) = changed.filter(|_| !matches!(action, Action::CreateView(_))) {
            reads.remove(&changed);
        }
        reads
    }

    fn schema(&self, name: &ObjectName) -> Read<Namespace> {
        match parts(name)?.as_slice() {
            [schema] => Ok(Namespace { database: self.home()?, schema: identifier(schema)? }),
            [database, schema] => {
                Ok(Namespace { database: self.known(self.database(database)?)?, schema: identifier(schema)? })
            }
            _ => {
                Err(unsupported(format!("`{name}` is not the name of a schema"), "write `schema` or `database.schema`"))
            }
        }
    }

    /// A relation that is changed.
    fn relation(&self, name: &ObjectName) -> Read<Relation> {
        let relation = self.place(name)?;
        self.known(relation.database.clone())?;
        Ok(relation)
    }

    /// A relation that is named.
    fn place(&self, name: &ObjectName) -> Read<Relation> {
        let parts = parts(name)?;
        let (database, schema, table) = match parts.as_slice() {
            [table] => (self.home()?, self.defaults.schema.to_owned(), table),
            [schema, table] => (self.home()?, schema.clone(), table),
            [database, schema, table] => (self.database(database)?, schema.clone(), table),
            _ => {
                return Err(unsupported(
                    format!("`{name}` is not the name of a relation"),
                    "write `schema.table` or `database.schema.table`",
                ));
            }
        };
        if schema.eq_ignore_ascii_case("information_schema") {
            return Err(unsupported("`information_schema` is made by the engine", "choose another schema"));
        }
        Ok(Relation { database, schema: identifier(&schema)?, identifier: identifier(table)? })
    }

    fn home(&self) -> Read<Database> {
        identifier(self.defaults.homes.first().map_or("", String::as_str)).map(Database::home)
    }

    fn database(&self, name: &str) -> Read<Database> {
        if self.defaults.homes.iter().any(|home| home.eq_ignore_ascii_case(name)) {
            return self.home();
        }
        identifier(name).map(Database::other)
    }

    /// Refuses a database that nothing of the project lies in: a statement would make one by a slip of the pen.
    fn known(&self, database: Database) -> Read<Database> {
        let others = self.defaults.others;
        if database.is_home() || others.iter().any(|other| other.eq_ignore_ascii_case(database.as_str())) {
            return Ok(database);
        }
        let names: Vec<&str> = self.defaults.homes.iter().take(1).chain(others).map(String::as_str).collect();
        Err(unsupported(
            format!("the database `{database}` is not one of this run, `{}`", names.join("`, `")),
            "a statement stays within the warehouse of its target, in databases where the project has something",
        ))
    }

    fn create_table(&self, create: &ast::CreateTable) -> Read<CreateTable> {
        let refused = [
            (create.external, "external", "files are read through a source"),
            (create.like.is_some(), "like", "write `create table ... as select * from ... limit 0`"),
            (create.clone.is_some(), "clone", "write `create table ... as select * from ...`"),
            (
                !create.constraints.is_empty(),
                "constraint",
                "declare data tests instead: `unique`, `not_null`, `relationships`",
            ),
        ];
        if let Some((_, what, hint)) = refused.iter().find(|(found, ..)| *found) {
            return Err(unsupported(format!("`create table` with `{what}` is not supported"), hint));
        }
        let columns = create.columns.iter().map(column).collect::<Read<Vec<_>>>()?;
        let named = !columns.is_empty();
        let query = create.query.as_ref().map(|query| if named { by_position(query) } else { query.to_string() });
        if columns.is_empty() && query.is_none() {
            return Err(SqlProblem::new("bad-statement", "a table needs columns or a query")
                .hint("write `create table name (column type, ...)` or `create table name as select ...`"));
        }
        if let Some(column) = columns.iter().find(|column| column.data_type.is_none() && query.is_none()) {
            return Err(SqlProblem::new("bad-statement", format!("the column `{}` has no type", column.name)));
        }
        Ok(CreateTable {
            relation: self.relation(&create.name)?,
            or_replace: create.or_replace,
            if_not_exists: create.if_not_exists,
            temporary: create.temporary,
            columns,
            query,
        })
    }

    fn create_view(&self, create: &ast::CreateView) -> Read<CreateView> {
        if create.materialized {
            return Err(unsupported(
                "`create materialized view` is not supported",
                "write `create table ... as select ...`; a model with `materialized: table` is made anew in each run",
            ));
        }
        Ok(CreateView {
            relation: self.relation(&create.name)?,
            or_replace: create.or_replace || create.or_alter,
            if_not_exists: create.if_not_exists,
            temporary: create.temporary,
            columns: create.columns.iter().map(|column| plain(&column.name)).collect(),
            query: if create.columns.is_empty() { create.query.to_string() } else { by_position(&create.query) },
        })
    }

    fn insert(&self, insert: &ast::Insert) -> Read<Insert> {
        if insert.on.is_some() || insert.or.is_some() || insert.replace_into || insert.ignore {
            return Err(unsupported(
                "`insert` with a rule for conflicts is not supported: tables have no keys",
                "write `merge into ... using ... on ... when matched then update ... when not matched then insert ...`",
            ));
        }
        let TableObject::TableName(name) = &insert.table else {
            return Err(unsupported("`insert` into something else than a table is not supported", "name a table"));
        };
        if insert.returning.is_some() {
            return Err(returning("insert"));
        }
        let Some(query) = &insert.source else {
            return Err(unsupported("`insert` needs rows", "write `insert into ... select ...` or `... values (...)`"));
        };
        let mut columns = Vec::new();
        for name in &insert.columns {
            columns.push(last_part(name)?);
        }
        Ok(Insert { relation: self.relation(name)?, columns, query: by_position(query), overwrite: insert.overwrite })
    }

    fn update(&self, update: &ast::Update) -> Read<Update> {
        if update.returning.is_some() {
            return Err(returning("update"));
        }
        if update.limit.is_some() || !update.order_by.is_empty() {
            return Err(unsupported("`update` with `limit` is not supported", "name the rows in `where`"));
        }
        let (name, alias) = target(&update.table)?;
        let relation = self.relation(name)?;
        let mut scope = Scope::of(name, alias)?;
        if let Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) = &update.from {
            scope.leave_to(tables);
        }
        let from = match &update.from {
            Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) => {
                Some(scope.tables(tables))
            }
            None => None,
        };
        Ok(Update {
            set: assignments(&update.assignments, &scope)?,
            condition: update.selection.as_ref().map(|condition| scope.expression(condition)),
            alias: scope.alias,
            relation,
            from,
        })
    }

    fn delete(&self, delete: &ast::Delete) -> Read<Delete> {
        if delete.returning.is_some() {
            return Err(returning("delete"));
        }
        if delete.limit.is_some() || !delete.order_by.is_empty() || !delete.tables.is_empty() {
            return Err(unsupported("this form of `delete` is not supported", "write `delete from ... where ...`"));
        }
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        let [table] = tables.as_slice() else {
            return Err(unsupported("`delete` takes one table", "name further relations after `using`"));
        };
        let (name, alias) = target(table)?;
        let relation = self.relation(name)?;
        let mut scope = Scope::of(name, alias)?;
        scope.leave_to(delete.using.as_deref().unwrap_or_default());
        Ok(Delete {
            using: delete.using.as_ref().map(|tables| scope.tables(tables)),
            condition: delete.selection.as_ref().map(|condition| scope.expression(condition)),
            alias: scope.alias,
            relation,
        })
    }

    fn merge(&self, merge: &ast::Merge) -> Read<Merge> {
        if merge.output.is_some() {
            return Err(returning("merge"));
        }
        let (name, alias) = factor_name(&merge.table)?;
        let relation = self.relation(name)?;
        let mut scope = Scope::of(name, alias)?;
        let source_alias = match &merge.source {
            TableFactor::Table { name, alias, .. } => {
                scope.leave_to(&[TableWithJoins { relation: merge.source.clone(), joins: Vec::new() }]);
                scope.add(name, alias.as_ref().map(|alias| &alias.name), "__karat_source")?
            }
            TableFactor::Derived { alias: Some(alias), .. } => plain(&alias.name),
            _ => {
                return Err(SqlProblem::new("bad-statement", "the source of a merge needs a name")
                    .hint("write `using (...) as source`"));
            }
        };
        let mut clauses = Vec::new();
        for clause in &merge.clauses {
            clauses.push(merge_clause(clause, &scope)?);
        }
        Ok(Merge {
            source: merge.source.to_string(),
            source_alias: quote(&source_alias),
            on: scope.expression(&merge.on),
            alias: scope.alias,
            relation,
            clauses,
        })
    }

    fn alteration(&self, operation: &AlterTableOperation, relation: &Relation) -> Read<Alteration> {
        Ok(match operation {
            AlterTableOperation::AddColumn { if_not_exists, column_def, .. } => {
                let mut definition = column_def.clone();
                let mut default = None;
                definition.options.retain(|option| match &option.option {
                    ColumnOption::Default(value) => {
                        default = Some(value.to_string());
                        false
                    }
                    _ => true,
                });
                Alteration::Add { column: column(&definition)?, default, if_not_exists: *if_not_exists }
            }
            AlterTableOperation::DropColumn { column_names, if_exists, .. } => {
                Alteration::Drop { columns: column_names.iter().map(plain).collect(), if_exists: *if_exists }
            }
            AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
                Alteration::Rename { from: plain(old_column_name), to: plain(new_column_name) }
            }
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::As(name) | RenameTableNameKind::To(name),
            } => {
                // A name alone stays in the schema of the table, as in Postgres and DuckDB.
                let mut to = self.relation(name)?;
                if name.0.len() < 3 {
                    to.database = relation.database.clone();
                }
                if name.0.len() == 1 {
                    to.schema = relation.schema.clone();
                }
                Alteration::RenameTo(to)
            }
            AlterTableOperation::AlterColumn { column_name, op } => match op {
                AlterColumnOperation::SetNotNull => {
                    Alteration::Nullable { column: plain(column_name), nullable: false }
                }
                AlterColumnOperation::DropNotNull => {
                    Alteration::Nullable { column: plain(column_name), nullable: true }
                }
                AlterColumnOperation::SetDataType { data_type, using, .. } => Alteration::Retype {
                    column: plain(column_name),
                    data_type: sql_type(&data_type.to_string())?,
                    using: using.as_ref().map(ToString::to_string),
                },
                _ => return Err(no_alteration(operation)),
            },
            _ => return Err(no_alteration(operation)),
        })
    }
}

/// A query whose columns are taken by their position, so that they need no names: `select 1, 1` gets some.
fn by_position(query: &Query) -> String {
    let mut query = query.clone();
    name_columns(&mut query.body);
    query.to_string()
}

fn name_columns(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            let mut seen: BTreeSet<String> = BTreeSet::new();
            for (index, item) in select.projection.iter_mut().enumerate() {
                let SelectItem::UnnamedExpr(expr) = item else { continue };
                let name = match expr {
                    Expr::Identifier(name) => Some(plain(name)),
                    Expr::CompoundIdentifier(names) => names.last().map(plain),
                    _ => None,
                };
                if name.is_none_or(|name| !seen.insert(name)) {
                    let alias = Ident::new(format!("__karat_{index}"));
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            name_columns(left);
            name_columns(right);
        }
        SetExpr::Query(query) => name_columns(&mut query.body),
        _ => {}
    }
}

/// Names that karat keeps for itself cannot be read or changed.
fn check_names(statement: &ast::Statement) -> Read<()> {
    let mut problem = Ok(());
    // The visitor stops at the first that is wrong.
    let _ = ast::visit_relations(statement, |name| {
        let schema = parts(name).ok().and_then(|parts| parts.iter().rev().nth(1).cloned()).unwrap_or_default();
        if schema.to_lowercase().starts_with("__karat") {
            problem = Err(unsupported(format!("the schema `{schema}` is karat's own"), "choose another name"));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    problem
}

fn no_alteration(operation: &AlterTableOperation) -> SqlProblem {
    unsupported(
        format!("`alter table ... {}` is not supported", lower_first(&operation.to_string()).to_lowercase()),
        "a table's columns can be added, dropped, renamed and given another type, and the table can be renamed",
    )
}

fn returning(verb: &str) -> SqlProblem {
    unsupported(format!("`{verb}` with `returning` is not supported"), "query the table in a statement of its own")
}

/// The name of the one table that a statement changes.
fn target(table: &TableWithJoins) -> Read<(&ObjectName, Option<&Ident>)> {
    if !table.joins.is_empty() {
        return Err(unsupported(
            "a statement changes one table, not a join",
            "name further relations after `from` or `using`",
        ));
    }
    factor_name(&table.relation)
}

fn factor_name(factor: &TableFactor) -> Read<(&ObjectName, Option<&Ident>)> {
    match factor {
        TableFactor::Table { name, alias, args: None, .. } => Ok((name, alias.as_ref().map(|alias| &alias.name))),
        other => Err(SqlProblem::new("bad-statement", format!("`{other}` is not a table that can be changed"))),
    }
}

fn merge_clause(clause: &ast::MergeClause, scope: &Scope) -> Read<Clause> {
    let side = match clause.clause_kind {
        MergeClauseKind::Matched => Side::Matched,
        MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget => Side::NotMatched,
        MergeClauseKind::NotMatchedBySource => Side::NotMatchedBySource,
    };
    let effect = match &clause.action {
        MergeAction::Delete { .. } => Effect::Delete,
        MergeAction::Update(update) => {
            if update.update_predicate.is_some() || update.delete_predicate.is_some() {
                return Err(unsupported(
                    "`where` in a clause of `merge` is not supported",
                    "write `when matched and ...`",
                ));
            }
            Effect::Update(assignments(&update.assignments, scope)?)
        }
        MergeAction::Insert(insert) => {
            if insert.insert_predicate.is_some() {
                return Err(unsupported(
                    "`where` in a clause of `merge` is not supported",
                    "write `when not matched and ...`",
                ));
            }
            let columns = insert.columns.iter().map(last_part).collect::<Read<Vec<_>>>()?;
            let values = match &insert.kind {
                MergeInsertKind::Row => None,
                MergeInsertKind::Values(values) => match values.rows.as_slice() {
                    [row] => Some(row.iter().map(|value| scope.expression(value)).collect()),
                    _ => {
                        return Err(unsupported(
                            "`merge` inserts one row for each row of its source",
                            "write one row of values",
                        ));
                    }
                },
            };
            Effect::Insert { columns, values }
        }
    };
    let fits = match side {
        Side::NotMatched => matches!(effect, Effect::Insert { .. }),
        Side::Matched | Side::NotMatchedBySource => !matches!(effect, Effect::Insert { .. }),
    };
    if !fits {
        let message =
            format!("`{clause}` asks for what cannot be: a matched row is updated or deleted, another inserted");
        return Err(SqlProblem::new("bad-statement", message));
    }
    Ok(Clause { side, condition: clause.predicate.as_ref().map(|condition| scope.expression(condition)), effect })
}

fn assignments(assignments: &[Assignment], scope: &Scope) -> Read<Vec<(String, String)>> {
    assignments
        .iter()
        .map(|assignment| match &assignment.target {
            AssignmentTarget::ColumnName(name) => Ok((last_part(name)?, scope.expression(&assignment.value))),
            AssignmentTarget::Tuple(_) => {
                Err(unsupported("`set (a, b) = ...` is not supported", "write `set a = ..., b = ...`"))
            }
        })
        .collect()
}

fn column(definition: &ColumnDef) -> Read<NewColumn> {
    let name = plain(&definition.name);
    let mut nullable = true;
    for option in &definition.options {
        match &option.option {
            ColumnOption::Null | ColumnOption::Comment(_) => nullable = true,
            ColumnOption::NotNull => nullable = false,
            other => {
                return Err(unsupported(
                    format!(
                        "the column `{name}` has `{}`, which a table does not keep",
                        other.to_string().to_lowercase()
                    ),
                    "leave it out, and declare data tests such as `unique` and `accepted_values` instead",
                ));
            }
        }
    }
    let data_type = match &definition.data_type {
        ast::DataType::Unspecified => None,
        written => Some(sql_type(&written.to_string())?),
    };
    Ok(NewColumn { name, data_type, nullable })
}

fn sql_type(text: &str) -> Read<arrow::datatypes::DataType> {
    data_type_of(text).map_err(|error| SqlProblem::new("bad-statement", error.to_string()))
}

fn identifier(text: &str) -> Read<Identifier> {
    Identifier::new(text).map_err(|error| SqlProblem::new("bad-statement", error.to_string()))
}

/// A name as it is stored: what is not quoted is written in lower case.
pub(super) fn plain(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

pub(super) fn parts(name: &ObjectName) -> Read<Vec<String>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(name) => Ok(plain(name)),
            ObjectNamePart::Function(_) => Err(unsupported(format!("`{name}` is not a name"), "write the name itself")),
        })
        .collect()
}

fn last_part(name: &ObjectName) -> Read<String> {
    Ok(parts(name)?.pop().unwrap_or_default())
}

/// The first two words in lower case.
fn first_words(text: &str) -> String {
    let words = text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).filter(|word| !word.is_empty());
    words.take(2).collect::<Vec<_>>().join(" ").to_lowercase()
}

fn first_word(range: &Range<usize>, text: &str) -> Range<usize> {
    let length = text.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(text.len());
    range.start..range.start + length
}

/// A problem that names no place stands at the first word of its statement.
fn placed(problem: SqlProblem, sql: &str, range: &Range<usize>) -> SqlProblem {
    match problem.range {
        Some(_) => problem,
        None => problem.at(first_word(range, sql.get(range.clone()).unwrap_or_default())),
    }
}

/// A parser's message without the place at its end, and that place.
fn split_place(message: &str) -> (String, Option<(u64, u64)>) {
    let number = |text: &str| text.trim_matches(|letter: char| !letter.is_ascii_digit()).parse().ok();
    if let Some((text, place)) = message.rsplit_once(" at Line: ")
        && let Some((line, column)) = place.split_once(", Column: ")
        && let (Some(line), Some(column)) = (number(line), number(column))
    {
        return (text.to_owned(), Some((line, column)));
    }
    (message.to_owned(), None)
}
