//! Statements of hooks, operations and templates, one after the other: each stages the new content of a relation, or
//! fails and leaves everything as it was.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use crate::base::diagnostic::{Diagnostic, did_you_mean};
use crate::base::ident::quote;
use crate::compile::node::CompiledNode;
use crate::engine::error::SqlProblem;
use crate::engine::session::{RelationSource as _, Variant};
use crate::engine::statement::{Action, CreateTable, CreateView, Drop, Effect, Insert, Merge, NewColumn, Statement};
use crate::engine::types::storage_schema;
use crate::engine::view::Fresh;
use crate::execute::changes::Changed;
use crate::execute::failure::Failure;
use crate::execute::run::Run;
use crate::execute::table::{current, first_count};
use crate::execute::writer::{Layout, Writer};
use crate::manifest::node::Node;
use crate::manifest::relation::{Namespace, Relation, RelationKey};
use crate::plan::algebra::{BATCH, TARGET};
use crate::plan::statement::{self as rewriting, MATCHES, Rewrite};
use crate::plan::steps::column_names;
use crate::store::{DataFile, Operation, TableVersion};
use crate::template::host::{Answer, RelationKind};

mod alter;

/// Makes a failure of a problem; the range is within the text of all statements.
pub type Explain<'a> = &'a (dyn Fn(&SqlProblem) -> Failure + Sync);

/// Runs the statements of a text for a node and gives the answer of the last one.
pub async fn run_text(run: &Arc<Run>, owner: &Arc<Node>, sql: &str, explain: Explain<'_>) -> Result<Answer, Failure> {
    run.tell(owner, sql)?;
    let statements = run.view.session(Variant::Normal).statements(sql).map_err(|problem| explain(&problem))?;
    let mut answer = Answer::default();
    for statement in statements {
        let text = sql.get(statement.range.clone()).unwrap_or_default();
        let start = statement.range.start;
        let placed = move |problem: &SqlProblem| {
            let mut problem = problem.clone();
            problem.range = problem.range.map(|range| range.start + start..range.end + start);
            explain(&problem)
        };
        let one = One { run, owner, text, explain: &placed, statement: &statement };
        answer = one.run().await?;
    }
    Ok(answer)
}

/// Runs a hook's text; problems are shown in its template.
pub async fn run_compiled(run: &Arc<Run>, owner: &Arc<Node>, compiled: &CompiledNode) -> Result<Answer, Failure> {
    run_text(run, owner, &compiled.sql, &|problem| Failure::of_sql(owner, compiled, problem)).await
}

/// One statement at work.
struct One<'a> {
    run: &'a Arc<Run>,
    owner: &'a Arc<Node>,
    text: &'a str,
    /// Problems with places in `text`.
    explain: Explain<'a>,
    statement: &'a Statement,
}

/// What stands under a name now.
enum Existing {
    Table(Arc<TableVersion>),
    View { sql: String, schema: SchemaRef },
    Nothing,
}

impl Existing {
    fn word(&self) -> &'static str {
        match self {
            Self::Table(_) => "table",
            Self::View { .. } => "view",
            Self::Nothing => "nothing",
        }
    }
}

impl One<'_> {
    fn fail<T>(&self, problem: SqlProblem) -> Result<T, Failure> {
        Err((self.explain)(&self.place(problem)))
    }

    /// A problem of SQL that was made from the statement: its place is the word that it is about, if that stands in the
    /// statement, or else the statement's beginning.
    fn place(&self, mut problem: SqlProblem) -> SqlProblem {
        if problem.range.is_none() {
            let verb = self.text.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(self.text.len());
            problem.range = Some(0..verb);
        }
        problem
    }

    /// Explains problems with a query that was made from the statement.
    fn made(&self, sql: &str, problem: &SqlProblem) -> Failure {
        let word = problem.range.clone().and_then(|range| sql.get(range)).unwrap_or_default();
        let problem = SqlProblem { range: word_range(self.text, word), ..problem.clone() };
        (self.explain)(&self.place(problem))
    }

    /// A temporary relation is for the statements of one node alone; what others read in it would be chance.
    fn check_temporary(&self) -> Result<(), Failure> {
        let mut named = self.statement.reads.clone();
        named.extend(self.statement.action.changed());
        for key in named {
            if let Some(change) =
                self.run.changes.get(&key).filter(|change| change.temporary && change.by != self.owner.id)
            {
                return self.fail(
                    bad(format!("the temporary relation `{key}` belongs to statements of `{}`", change.by)).hint(
                        "give it a name of its own, for example with `{{ this.identifier }}`, or make it no temporary one",
                    ),
                );
            }
        }
        Ok(())
    }

    async fn run(&self) -> Result<Answer, Failure> {
        let verb = self.statement.action.verb();
        self.check_temporary()?;
        let rows = match &self.statement.action {
            Action::Query => return self.query().await,
            Action::Nothing(_) | Action::CreateSchema(_) => 0,
            Action::DropSchema { namespace, cascade } => self.drop_schema(namespace, *cascade).await?,
            Action::CreateTable(create) => self.create_table(create).await?,
            Action::CreateView(create) => self.create_view(create).await?,
            Action::Insert(insert) => self.insert(insert).await?,
            Action::Update(update) => {
                let names: Vec<String> = update.set.iter().map(|(column, _)| column.clone()).collect();
                self.rewrite(&update.relation, &names, |columns| rewriting::update(update, columns)).await?
            }
            Action::Delete(delete) => self.rewrite(&delete.relation, &[], |_| rewriting::delete(delete)).await?,
            Action::Merge(merge) => self.merge(merge).await?,
            Action::Truncate(relations) => {
                for relation in relations {
                    self.table(relation).await?;
                }
                let mut gone = 0;
                for relation in relations {
                    gone += self.rewrite(relation, &[], |_| rewriting::truncate()).await?;
                }
                gone
            }
            Action::Drop(drop) => self.drop(drop).await?,
            Action::Alter(alter) => self.alter(alter).await?,
        };
        self.run.view.forget_views().await;
        Ok(Answer { batches: Vec::new(), rows_affected: rows, verb: verb.to_uppercase() })
    }

    async fn query(&self) -> Result<Answer, Failure> {
        let answer = self.run.query(&|variant| self.run.view.session(variant), self.text).await;
        let batches = answer.map_err(|problem| (self.explain)(&problem))?;
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        Ok(Answer { batches, rows_affected: rows, verb: "SELECT".to_owned() })
    }

    async fn existing(&self, relation: &Relation) -> Result<Existing, Failure> {
        let key = relation.key();
        match self.run.view.kind(&key) {
            None | Some(RelationKind::Function) => Ok(Existing::Nothing),
            Some(RelationKind::Table) => match current(self.run, self.owner, relation).await? {
                Some(version) => Ok(Existing::Table(version)),
                None => Ok(Existing::Nothing),
            },
            Some(RelationKind::View) => match self.run.view.view_query(&key) {
                Some((sql, schema)) => Ok(Existing::View { sql, schema }),
                None => Ok(Existing::Nothing),
            },
            Some(RelationKind::External | RelationKind::Cte) => self.fail(
                bad(format!("`{}` is a source over files, which are only read", relation.short_name()))
                    .hint("copy its rows into a table of the warehouse first"),
            ),
        }
    }

    /// The table that the statement changes.
    async fn table(&self, relation: &Relation) -> Result<Arc<TableVersion>, Failure> {
        match self.existing(relation).await? {
            Existing::Table(version) => Ok(version),
            Existing::View { .. } => self.fail(
                bad(format!("`{}` is a view, so its rows cannot be changed", relation.short_name()))
                    .hint("change the tables that it reads"),
            ),
            Existing::Nothing => self.fail(self.missing(relation)),
        }
    }

    fn missing(&self, relation: &Relation) -> SqlProblem {
        let names: Vec<String> = self.run.view.names().iter().map(ToString::to_string).collect();
        let name = relation.short_name();
        let problem = SqlProblem::new("unknown-relation", format!("there is no table or view `{name}`"));
        match did_you_mean(&name, names.iter().map(String::as_str)) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem,
        }
    }

    fn writer(&self, relation: &Relation, version: Option<&TableVersion>) -> Writer<'_> {
        let layout = self.layout(relation);
        let partition_by = version.map_or_else(|| layout.partition_by.clone(), |version| version.partition_by.clone());
        Writer::with_layout(self.run, self.owner, relation.clone(), Layout { partition_by, ..layout })
    }

    /// A writer for a new table: laid out as its node's configuration says, as far as it has the columns.
    fn new_writer(&self, relation: &Relation, schema: &Schema) -> Writer<'_> {
        let mut layout = self.layout(relation);
        let is_there = |text: &String| {
            let name = text.split_whitespace().next().unwrap_or_default();
            schema.fields().iter().any(|field| field.name().eq_ignore_ascii_case(name))
        };
        layout.partition_by.retain(is_there);
        layout.sort_by.retain(is_there);
        Writer::with_layout(self.run, self.owner, relation.clone(), layout)
    }

    /// What the configuration of the node says whose relation it is.
    fn layout(&self, relation: &Relation) -> Layout {
        let key = relation.key();
        let of_relation = |node: &&Arc<Node>| {
            node.resource_type.is_built() && node.relation.as_ref().is_some_and(|own| own.key() == key)
        };
        match self.run.invocation.manifest.nodes.values().find(of_relation) {
            Some(node) => Layout::of(node),
            None => Layout::default(),
        }
    }

    /// Shows a relation's new state to the rest of the run.
    fn put(&self, relation: &Relation, fresh: Fresh, operation: Operation, temporary: bool) {
        let made_here = |key: &RelationKey| self.run.view.fresh(key).is_some();
        let mut reads = self.run.view.behind(&self.statement.reads);
        reads.retain(made_here);
        let anew = operation == Operation::Overwrite;
        let change = Changed {
            relation: relation.clone(),
            by: self.owner.id.clone(),
            operation,
            fingerprint: blake3::hash(self.text.as_bytes()).to_hex().to_string(),
            reads,
            temporary,
        };
        if anew {
            self.run.changes.replace(change);
        } else {
            self.run.changes.note(change);
        }
        self.run.view.put(relation.key(), fresh);
    }

    /// Plans a query of the statement; gives its columns.
    async fn planned(&self, writer: &Writer<'_>, sql: &str) -> Result<SchemaRef, Failure> {
        let plan = writer.session(Variant::Normal).plan(sql).await.map_err(|problem| self.made(sql, &problem))?;
        Ok(Arc::new(plan.schema().as_arrow().clone()))
    }

    /// The columns as they are stored, null allowed where it was.
    fn storable(&self, schema: &Schema) -> Result<SchemaRef, Failure> {
        let stored = storage_schema(schema)
            .map_err(|error| (self.explain)(&self.place(SqlProblem::new("unstorable-type", error.to_string()))))?;
        let fields = stored.fields().iter().zip(schema.fields());
        let fields = fields.map(|(stored, given)| stored.as_ref().clone().with_nullable(given.is_nullable()));
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }

    async fn write(&self, writer: &Writer<'_>, sql: &str, schema: &SchemaRef) -> Result<Vec<Arc<DataFile>>, Failure> {
        writer.write_explained(sql, schema, &|problem| self.made(sql, problem)).await
    }

    async fn small(&self, writer: &Writer<'_>, sql: &str) -> Result<Vec<RecordBatch>, Failure> {
        let answer = self.run.query(&|variant| writer.session(variant), sql).await;
        answer.map_err(|problem| self.made(sql, &problem))
    }

    /// Whether a new relation may take a name: `false` if one exists and is to be left.
    async fn may_create(&self, relation: &Relation, or_replace: bool, if_not_exists: bool) -> Result<bool, Failure> {
        match self.existing(relation).await? {
            Existing::Nothing => Ok(true),
            _ if or_replace => Ok(true),
            _ if if_not_exists => Ok(false),
            found => self.fail(
                bad(format!("there is a {} `{}` already", found.word(), relation.short_name()))
                    .hint("write `create or replace` or `if not exists`"),
            ),
        }
    }

    async fn create_table(&self, create: &CreateTable) -> Result<u64, Failure> {
        let _lock = self.run.changes.lock(&create.relation.key()).await;
        if !self.may_create(&create.relation, create.or_replace, create.if_not_exists).await? {
            return Ok(0);
        }
        let writer = self.writer(&create.relation, None);
        let declared = declared(&create.columns);
        let (schema, files) = match &create.query {
            None => (self.storable(&Schema::new(declared))?, Vec::new()),
            Some(query) => {
                let names: Vec<String> = create.columns.iter().map(|column| column.name.clone()).collect();
                let found = self.planned(&writer, query).await?;
                let sql = self.renamed(query, &names, found.fields().len(), "the table")?;
                let found = self.planned(&writer, &sql).await?;
                let typed = found.fields().iter().map(|field| {
                    let own = create.columns.iter().find(|column| column.name.eq_ignore_ascii_case(field.name()));
                    match own.and_then(|column| Some((column.data_type.clone()?, column.nullable))) {
                        Some((data_type, nullable)) => Field::new(field.name(), data_type, nullable),
                        None => field.as_ref().clone().with_nullable(true),
                    }
                });
                let schema = self.storable(&Schema::new(typed.collect::<Vec<_>>()))?;
                let files = self.write(&self.new_writer(&create.relation, &schema), &sql, &schema).await?;
                (schema, files)
            }
        };
        let version = self.new_writer(&create.relation, &schema).version(schema, files);
        let rows = version.rows();
        self.put(&create.relation, Fresh::Staged(Arc::new(version)), Operation::Overwrite, create.temporary);
        Ok(rows)
    }

    /// A query with other names for its columns.
    fn renamed(&self, query: &str, names: &[String], found: usize, whose: &str) -> Result<String, Failure> {
        if names.is_empty() {
            return Ok(query.to_owned());
        }
        if names.len() != found {
            let message = format!("{whose} names {} columns, and the query gives {found}", names.len());
            return self.fail(bad(message));
        }
        let names = names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
        Ok(format!("select * from ({query}) as __karat_rows({names})"))
    }

    async fn create_view(&self, create: &CreateView) -> Result<u64, Failure> {
        let _lock = self.run.changes.lock(&create.relation.key()).await;
        if !self.may_create(&create.relation, create.or_replace, create.if_not_exists).await? {
            return Ok(0);
        }
        let behind = self.run.view.behind(&self.statement.reads);
        if behind.contains(&create.relation.key()) {
            let message = format!("the view `{}` would read itself", create.relation.short_name());
            return self.fail(bad(message).hint("name what it reads in another way, or rename the table first"));
        }
        if let Some(gone) = behind.iter().find(|key| self.run.changes.is_temporary(key)).filter(|_| !create.temporary) {
            let message = format!("the view would read `{gone}`, which goes when the run ends");
            return self.fail(bad(message).hint("make the view temporary, too, or the relation not"));
        }
        let writer = self.writer(&create.relation, None);
        let found = self.planned(&writer, &create.query).await?;
        let sql = self.renamed(&create.query, &create.columns, found.fields().len(), "the view")?;
        let schema = self.planned(&writer, &sql).await?;
        self.put(&create.relation, Fresh::View { sql, schema }, Operation::Overwrite, create.temporary);
        Ok(0)
    }

    /// The columns of a table that a list names, spelled as the table does.
    fn columns_of(&self, version: &TableVersion, names: &[String]) -> Result<Vec<String>, Failure> {
        let known = column_names(&version.schema);
        let mut found = Vec::new();
        for name in names {
            match known.iter().find(|column| column.eq_ignore_ascii_case(name)) {
                Some(column) if found.contains(column) => {
                    return self.fail(bad(format!("the column `{name}` is named twice")));
                }
                Some(column) => found.push(column.clone()),
                None => {
                    let table = version.relation.short_name();
                    let problem = SqlProblem::new("unknown-column", format!("`{table}` has no column `{name}`"));
                    let problem = match did_you_mean(name, known.iter().map(String::as_str)) {
                        Some(near) => problem.hint(format!("did you mean `{near}`?")),
                        None => problem.hint(format!("its columns are: {}", known.join(", "))),
                    };
                    return self.fail(SqlProblem { range: word_range(self.text, name), ..problem });
                }
            }
        }
        Ok(found)
    }

    async fn insert(&self, insert: &Insert) -> Result<u64, Failure> {
        let _lock = self.run.changes.lock(&insert.relation.key()).await;
        let table = self.table(&insert.relation).await?;
        let writer = self.writer(&insert.relation, Some(&table));
        let named = self.columns_of(&table, &insert.columns)?;
        let names = if named.is_empty() { column_names(&table.schema) } else { named };
        let found = self.planned(&writer, &insert.query).await?;
        let whose = format!("`{}`", insert.relation.short_name());
        if found.fields().len() != names.len() {
            let (given, table) = (found.fields().len(), names.len());
            let message = format!("the rows have {given} columns, and {whose} takes {table}");
            return self.fail(bad(message).hint("name the columns: `insert into table (a, b) ...`"));
        }
        let sql = self.renamed(&insert.query, &names, found.fields().len(), &whose)?;
        let added = self.write(&writer, &sql, &table.schema).await?;
        let rows = added.iter().map(|file| file.rows).sum();
        let files = if insert.overwrite { added } else { [table.files.clone(), added].concat() };
        let operation = if insert.overwrite { Operation::Merge } else { Operation::Append };
        self.put_table(&insert.relation, &table, files, operation);
        Ok(rows)
    }

    /// New files of a table with the same columns.
    fn put_table(&self, relation: &Relation, before: &TableVersion, files: Vec<Arc<DataFile>>, operation: Operation) {
        let version = TableVersion { files, version: None, ..before.clone() };
        let temporary = self.run.changes.is_temporary(&relation.key());
        self.put(relation, Fresh::Staged(Arc::new(version)), operation, temporary);
    }

    /// Changes the rows of a table, file by file; gives the number of rows that were changed or removed.
    async fn rewrite(
        &self,
        relation: &Relation,
        named: &[String],
        make: impl Fn(&[String]) -> Rewrite,
    ) -> Result<u64, Failure> {
        let _lock = self.run.changes.lock(&relation.key()).await;
        let table = self.table(relation).await?;
        self.columns_of(&table, named)?;
        let writer = self.writer(relation, Some(&table));
        let rewrite = make(&column_names(&table.schema));
        let (files, matched) = self.rewritten(&writer, &table, &rewrite).await?;
        if matched > 0 {
            self.put_table(relation, &table, files, Operation::Merge);
        }
        Ok(matched)
    }

    /// The files of a table after a change, and the number of rows that did not stay as they were.
    async fn rewritten(
        &self,
        writer: &Writer<'_>,
        table: &TableVersion,
        rewrite: &Rewrite,
    ) -> Result<(Vec<Arc<DataFile>>, u64), Failure> {
        let all: Vec<usize> = (0..table.files.len()).collect();
        writer.put_version(TARGET, table, Some(&all))?;
        let touched = match &rewrite.touched {
            Some(sql) => {
                // Without files the query is planned all the same, so that what is wrong with it is told.
                self.planned(writer, sql).await?;
                if all.is_empty() { Vec::new() } else { Writer::indices(&self.small(writer, sql).await?) }
            }
            None => all,
        };
        let row_count = |files: &[Arc<DataFile>]| files.iter().map(|file| file.rows).sum::<u64>();
        let kept = table.files.iter().enumerate().filter(|(index, _)| touched.binary_search(index).is_err());
        let mut files: Vec<Arc<DataFile>> = kept.map(|(_, file)| Arc::clone(file)).collect();
        let Some(matches) = &rewrite.matches else { return Ok((files, table.rows())) };
        writer.put_version(TARGET, table, Some(&touched))?;
        let (_, numbered) = self.scratch_files(writer, table, &rewriting::numbered(TARGET), TARGET).await?;
        let found = self.scratch_files(writer, table, matches, MATCHES).await;
        let outcome = match &found {
            Ok(_) => self.replaced(writer, table, rewrite).await,
            Err(failure) => Err(failure.clone()),
        };
        let before = row_count(&numbered);
        writer.discard(&numbered).await;
        if let Ok((_, matched)) = &found {
            writer.discard(matched).await;
        }
        let (survivors, changed) = outcome?;
        let matched = before.saturating_sub(row_count(&survivors));
        files.extend(survivors);
        files.extend(changed);
        Ok((files, matched))
    }

    /// What stays of the touched files, and what comes in the place of the rows that match.
    async fn replaced(
        &self,
        writer: &Writer<'_>,
        table: &TableVersion,
        rewrite: &Rewrite,
    ) -> Result<(Vec<Arc<DataFile>>, Vec<Arc<DataFile>>), Failure> {
        if rewrite.once {
            let counts = self.small(writer, &rewriting::counts()).await?;
            if first_count(&counts, 0) > first_count(&counts, 1) {
                let name = table.relation.short_name();
                return self.fail(
                    bad(format!("several rows match one row of `{name}`, so which one wins would be chance"))
                        .hint("make the rows that are matched with unique, for example with `group by`"),
                );
            }
        }
        let survivors = self.write(writer, &rewriting::survivors(&column_names(&table.schema)), &table.schema).await?;
        let mut changed = Vec::new();
        for sql in &rewrite.changed {
            changed.extend(self.write(writer, sql, &table.schema).await?);
        }
        Ok((survivors, changed))
    }

    /// Stores the rows of a query as a scratch relation, so that all that follows sees the same rows.
    async fn scratch_files(
        &self,
        writer: &Writer<'_>,
        table: &TableVersion,
        sql: &str,
        name: &str,
    ) -> Result<(SchemaRef, Vec<Arc<DataFile>>), Failure> {
        let found = self.planned(writer, sql).await?;
        let nullable = found.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let schema = self.storable(&Schema::new(nullable.collect::<Vec<_>>()))?;
        let files = writer.write_unpartitioned_explained(sql, &schema, &|problem| self.made(sql, problem)).await?;
        let stored = TableVersion {
            schema: Arc::clone(&schema),
            partition_by: Vec::new(),
            files: files.clone(),
            version: None,
            ..table.clone()
        };
        writer.put_version(name, &stored, None)?;
        Ok((schema, files))
    }

    async fn merge(&self, merge: &Merge) -> Result<u64, Failure> {
        let _lock = self.run.changes.lock(&merge.relation.key()).await;
        let table = self.table(&merge.relation).await?;
        let columns = column_names(&table.schema);
        for clause in &merge.clauses {
            match &clause.effect {
                Effect::Update(set) => {
                    let names: Vec<String> = set.iter().map(|(column, _)| column.clone()).collect();
                    self.columns_of(&table, &names)?;
                }
                Effect::Insert { columns: named, values } => {
                    self.columns_of(&table, named)?;
                    let wanted = if named.is_empty() { columns.len() } else { named.len() };
                    if let Some(values) = values.as_ref().filter(|values| values.len() != wanted) {
                        let message = format!("`insert` gives {} values for {wanted} columns", values.len());
                        return self.fail(bad(message));
                    }
                }
                Effect::Delete => {}
            }
        }
        let writer = self.writer(&merge.relation, Some(&table));
        // The source is read once: everything below sees the same rows.
        let sql = format!("select *, row_number() over () as \"__karat_row\" from {}", merge.source);
        let (_, source) = self.scratch_files(&writer, &table, &sql, BATCH).await?;
        let outcome = self.merged(&writer, &table, merge, &columns).await;
        writer.discard(&source).await;
        let (files, rows) = outcome?;
        if rows > 0 {
            self.put_table(&merge.relation, &table, files, Operation::Merge);
        }
        Ok(rows)
    }

    async fn merged(
        &self,
        writer: &Writer<'_>,
        table: &TableVersion,
        merge: &Merge,
        columns: &[String],
    ) -> Result<(Vec<Arc<DataFile>>, u64), Failure> {
        let all: Vec<usize> = (0..table.files.len()).collect();
        writer.put_version(TARGET, table, Some(&all))?;
        let mut inserted = Vec::new();
        for sql in rewriting::merge_inserts(merge, columns) {
            inserted.extend(self.write(writer, &sql, &table.schema).await?);
        }
        let added: u64 = inserted.iter().map(|file| file.rows).sum();
        let (mut files, changed) = match rewriting::merge(merge, columns) {
            Some(rewrite) => self.rewritten(writer, table, &rewrite).await?,
            None => (table.files.clone(), 0),
        };
        files.extend(inserted);
        Ok((files, changed + added))
    }

    /// All that is named is looked at before anything goes.
    async fn drop(&self, drop: &Drop) -> Result<u64, Failure> {
        let mut found = Vec::new();
        for relation in &drop.relations {
            match (self.existing(relation).await?, drop.view) {
                (Existing::Nothing, _) if drop.if_exists => {}
                (Existing::Nothing, _) => return self.fail(self.missing(relation)),
                (Existing::Table(_), false) | (Existing::View { .. }, true) => found.push(relation),
                (found, _) => {
                    let (name, word) = (relation.short_name(), found.word());
                    let hint = format!("write `drop {word} {name}`");
                    return self.fail(bad(format!("`{name}` is a {word}")).hint(hint));
                }
            }
        }
        for relation in found {
            let _lock = self.run.changes.lock(&relation.key()).await;
            self.put_gone(relation, BTreeSet::new());
        }
        Ok(0)
    }

    /// Lets a relation go; if one of `with` is held back, it stays.
    fn put_gone(&self, relation: &Relation, with: BTreeSet<RelationKey>) {
        self.put(relation, Fresh::Gone, Operation::Overwrite, false);
        self.run.changes.add_reads(&relation.key(), with);
    }

    async fn drop_schema(&self, namespace: &Namespace, cascade: bool) -> Result<u64, Failure> {
        let inside: Vec<RelationKey> = self
            .run
            .view
            .names()
            .into_iter()
            .filter(|key| namespace.holds(key))
            .filter(|key| matches!(self.run.view.kind(key), Some(RelationKind::Table | RelationKind::View)))
            .collect();
        if !inside.is_empty() && !cascade {
            let names = inside.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return self.fail(
                bad(format!("the schema `{}` has relations: {names}", namespace.schema))
                    .hint("drop them first, or write `drop schema ... cascade`"),
            );
        }
        for key in inside {
            let _lock = self.run.changes.lock(&key).await;
            let name = |text: &str| {
                crate::base::ident::Identifier::new(text)
                    .map_err(|error| (self.explain)(&self.place(bad(error.to_string()))))
            };
            let relation = Relation {
                database: namespace.database.clone(),
                schema: name(&key.schema)?,
                identifier: name(&key.identifier)?,
            };
            self.put_gone(&relation, BTreeSet::new());
        }
        Ok(0)
    }
}

/// Where a word stands in a text, whatever its case.
fn word_range(text: &str, word: &str) -> Option<Range<usize>> {
    let letter = |found: Option<char>| found.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    let places = text.char_indices().map(|(start, _)| start..start + word.len());
    places.filter(|_| !word.is_empty()).find(|range| {
        text.get(range.clone()).is_some_and(|found| found.eq_ignore_ascii_case(word))
            && !letter(text[..range.start].chars().next_back())
            && !letter(text[range.end..].chars().next())
    })
}

fn bad(message: impl Into<String>) -> SqlProblem {
    SqlProblem::new("bad-statement", message)
}

fn declared(columns: &[NewColumn]) -> Vec<Field> {
    columns
        .iter()
        .filter_map(|column| Some(Field::new(&column.name, column.data_type.clone()?, column.nullable)))
        .collect()
}

/// The failure of a statement within a template: its first problem as the template shows it.
pub fn of_template(failure: &Failure) -> (&'static str, String, Option<String>) {
    match failure.diagnostics.first() {
        Some(Diagnostic { code, message, hint, .. }) => {
            (code, format!("the template's statement failed: {message}"), hint.clone())
        }
        None => ("sql-error", "the template's statement failed".to_owned(), None),
    }
}
