//! From a query to staged files: the one path on which rows get into the warehouse.

use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::ExprSchema as _;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::cast;
use datafusion::scalar::ScalarValue;

use crate::compile::node::CompiledNode;
use crate::engine::error::SqlProblem;
use crate::engine::session::{Session, Variant};
use crate::engine::table;
use crate::engine::types::storage_schema;
use crate::engine::view::Overlay;
use crate::execute::failure::Failure;
use crate::execute::run::Run;
use crate::manifest::node::Node;
use crate::manifest::relation::{Relation, RelationKey};
use crate::plan::algebra::SCRATCH_SCHEMA;
use crate::store::{Codec, DataFile, StoreError, TableDocs, TableVersion, WriteRequest};

/// What a table's files are like.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// Columns by which files are separated.
    pub partition_by: Vec<String>,
    /// Columns by which rows are sorted.
    pub sort_by: Vec<String>,
    /// How files are compressed.
    pub compression: Option<String>,
}

impl Layout {
    /// What a node's configuration says.
    pub fn of(node: &Node) -> Self {
        let config = &node.config;
        Self {
            partition_by: config.partition_by.clone(),
            sort_by: config.sort_by.clone(),
            compression: config.compression.clone(),
        }
    }
}

/// Writes the results of queries as files of one table.
pub struct Writer<'a> {
    run: &'a Arc<Run>,
    node: &'a Arc<Node>,
    relation: Relation,
    layout: Layout,
    overlay: Arc<Overlay>,
}

impl<'a> Writer<'a> {
    /// A writer for a node's table.
    pub fn new(run: &'a Arc<Run>, node: &'a Arc<Node>, relation: Relation) -> Self {
        Self::with_layout(run, node, relation, Layout::of(node))
    }

    /// A writer for a table that need not be the node's own.
    pub fn with_layout(run: &'a Arc<Run>, node: &'a Arc<Node>, relation: Relation, layout: Layout) -> Self {
        let overlay = Overlay::new(Arc::clone(&run.view) as _);
        Self { run, node, relation, layout, overlay }
    }

    /// A session that sees the scratch relations of this step.
    pub fn session(&self, variant: Variant) -> Session {
        self.run.view.surroundings().engine.session(Arc::clone(&self.overlay) as _, variant)
    }

    /// A content of the table that consists of some files.
    pub fn version(&self, schema: SchemaRef, files: Vec<Arc<DataFile>>) -> TableVersion {
        TableVersion {
            relation: self.relation.clone(),
            partition_by: self.partition_by(&schema),
            docs: self.docs(&schema),
            schema,
            files,
            version: None,
        }
    }

    /// The descriptions that are to be stored with the table.
    fn docs(&self, schema: &Schema) -> TableDocs {
        let node = self.node;
        let comment = |field: &Arc<Field>| {
            let documented = node.columns.values().find(|column| column.is_called(field.name()));
            Some((field.name().clone(), documented?.description.clone()))
        };
        TableDocs {
            description: node.config.persist_relation_docs.then(|| node.description.clone()),
            columns: node.config.persist_column_docs.then(|| schema.fields().iter().filter_map(comment).collect()),
        }
    }

    /// The partition columns as the schema spells them.
    fn partition_by(&self, schema: &Schema) -> Vec<String> {
        let configured = &self.layout.partition_by;
        let spelled = |name: &String| {
            let field = schema.fields().iter().find(|field| field.name().eq_ignore_ascii_case(name));
            field.map_or_else(|| name.clone(), |field| field.name().clone())
        };
        configured.iter().map(spelled).collect()
    }

    /// Puts a scratch relation before the queries of this step.
    pub fn put(&self, name: &str, provider: Arc<dyn TableProvider>) {
        self.overlay.put(RelationKey::new(SCRATCH_SCHEMA, name), provider);
    }

    /// Puts files as a scratch relation, with the index of each row's file if only some are given.
    pub fn put_version(&self, name: &str, version: &TableVersion, only: Option<&[usize]>) -> Result<(), Failure> {
        let provider = table::provider(&self.run.view.surroundings().warehouse, version, only)
            .map_err(|error| Failure::of_config(self.node, &SqlProblem::from_engine("", &error)))?;
        self.put(name, provider);
        Ok(())
    }

    /// The storable columns of the node's own query, or of a query that karat made around it.
    pub async fn result_schema(&self, compiled: &CompiledNode, sql: &str) -> Result<SchemaRef, Failure> {
        let plan = self.session(Variant::Normal).plan(sql).await;
        let plan = plan.map_err(|problem| Failure::of_sql(self.node, compiled, &problem))?;
        self.storable(plan.schema().as_arrow())
    }

    /// The storable columns of a query of karat's own.
    pub async fn made_schema(&self, sql: &str) -> Result<SchemaRef, Failure> {
        let plan = self.session(Variant::Normal).plan(sql).await;
        let plan = plan.map_err(|problem| Failure::of_config(self.node, &problem))?;
        self.storable(plan.schema().as_arrow())
    }

    fn storable(&self, schema: &Schema) -> Result<SchemaRef, Failure> {
        storage_schema(schema)
            .map_err(|error| Failure::of_config(self.node, &SqlProblem::new("unstorable-type", error.to_string())))
    }

    /// Writes the node's own query; problems point into the user's file.
    pub async fn write_own(
        &self,
        compiled: &CompiledNode,
        sql: &str,
        schema: &SchemaRef,
    ) -> Result<Vec<Arc<DataFile>>, Failure> {
        let partition_by = self.partition_by(schema);
        self.write(sql, schema, &partition_by, None, &|problem| Failure::of_sql(self.node, compiled, problem)).await
    }

    /// Writes those rows of the node's own query that meet a condition on the columns to be stored.
    pub async fn write_rows_where(
        &self,
        compiled: &CompiledNode,
        condition: &str,
        schema: &SchemaRef,
    ) -> Result<Vec<Arc<DataFile>>, Failure> {
        let partition_by = self.partition_by(schema);
        let explain = |problem: &SqlProblem| Failure::of_sql(self.node, compiled, problem);
        self.write(&compiled.sql, schema, &partition_by, Some(condition), &explain).await
    }

    /// Writes a query of karat's own.
    pub async fn write_made(&self, sql: &str, schema: &SchemaRef) -> Result<Vec<Arc<DataFile>>, Failure> {
        let partition_by = self.partition_by(schema);
        self.write(sql, schema, &partition_by, None, &|problem| Failure::of_config(self.node, problem)).await
    }

    /// Writes a query that a statement gives rise to; the caller says where its problems are.
    pub async fn write_explained(
        &self,
        sql: &str,
        schema: &SchemaRef,
        explain: &(dyn Fn(&SqlProblem) -> Failure + Sync),
    ) -> Result<Vec<Arc<DataFile>>, Failure> {
        let partition_by = self.partition_by(schema);
        self.write(sql, schema, &partition_by, None, explain).await
    }

    /// Writes a query whose rows are only a step on the way; the caller says where its problems are.
    pub async fn write_unpartitioned_explained(
        &self,
        sql: &str,
        schema: &SchemaRef,
        explain: &(dyn Fn(&SqlProblem) -> Failure + Sync),
    ) -> Result<Vec<Arc<DataFile>>, Failure> {
        self.write(sql, schema, &[], None, explain).await
    }

    /// Writes a query of karat's own whose rows are only a step on the way, so that they need no partitions.
    pub async fn write_unpartitioned(&self, sql: &str, schema: &SchemaRef) -> Result<Vec<Arc<DataFile>>, Failure> {
        self.write(sql, schema, &[], None, &|problem| Failure::of_config(self.node, problem)).await
    }

    /// Runs a query into files with the given columns: by name, cast, null where the query has none.
    ///
    /// When memory runs out, the query is tried once more, alone, with joins that can spill and fewer partitions.
    async fn write(
        &self,
        sql: &str,
        schema: &SchemaRef,
        partition_by: &[String],
        condition: Option<&str>,
        explain: &(dyn Fn(&SqlProblem) -> Failure + Sync),
    ) -> Result<Vec<Arc<DataFile>>, Failure> {
        match self.write_once(sql, schema, partition_by, condition, Variant::Normal, explain).await {
            Err(failure) if failure.exhausted => {
                self.write_once(sql, schema, partition_by, condition, Variant::Frugal, explain).await
            }
            outcome => outcome,
        }
    }

    async fn write_once(
        &self,
        sql: &str,
        schema: &SchemaRef,
        partition_by: &[String],
        condition: Option<&str>,
        variant: Variant,
        explain: &(dyn Fn(&SqlProblem) -> Failure + Sync),
    ) -> Result<Vec<Arc<DataFile>>, Failure> {
        let _turn = self.run.turn(variant).await;
        let session = self.session(variant);
        let plan = session.plan(sql).await.map_err(|problem| explain(&problem))?;
        let plan = shaped(plan, schema).map_err(|error| explain(&SqlProblem::from_engine(sql, &error)))?;
        let plan = match condition {
            Some(condition) => {
                filtered(&session, plan, condition).map_err(|problem| Failure::of_config(self.node, &problem))?
            }
            None => plan,
        };
        let plan = self.sorted(&session, plan).map_err(|problem| Failure::of_config(self.node, &problem))?;
        let physical = session.physical(sql, &plan).await.map_err(|problem| explain(&problem))?;
        let streams = session.streams(sql, &physical).map_err(|problem| explain(&problem))?;
        let codec = match &self.layout.compression {
            Some(text) => codec(text)
                .ok_or_else(|| Failure::of_config(self.node, &SqlProblem::new("bad-config", unknown_codec(text))))?,
            None => Codec::default(),
        };
        let surroundings = self.run.view.surroundings();
        let request = WriteRequest {
            relation: self.relation.clone(),
            schema: Arc::clone(schema),
            partition_by: partition_by.to_vec(),
            codec,
            memory: surroundings.engine.options().memory.writing_of_one(self.run.threads),
        };
        let written = surroundings.warehouse.write_files(request, streams).await;
        match written {
            Ok(files) => Ok(files),
            Err(StoreError::Input(error)) => Err(explain(&SqlProblem::from_engine(sql, &error))),
            Err(error) => Err(Failure::of_store(self.node, &error)),
        }
    }

    fn sorted(&self, session: &Session, plan: LogicalPlan) -> Result<LogicalPlan, SqlProblem> {
        if self.layout.sort_by.is_empty() {
            return Ok(plan);
        }
        let mut order = Vec::new();
        for term in &self.layout.sort_by {
            let lower = term.trim().to_lowercase();
            let (text, ascending) = match lower.strip_suffix(" desc") {
                Some(_) => (&term.trim()[..term.trim().len() - " desc".len()], false),
                None if lower.ends_with(" asc") => (&term.trim()[..term.trim().len() - " asc".len()], true),
                None => (term.trim(), true),
            };
            let expression = session
                .raw_state()
                .create_logical_expr(text, plan.schema())
                .map_err(|error| SqlProblem { range: None, ..SqlProblem::from_engine(text, &error) })?;
            order.push(expression.sort(ascending, !ascending));
        }
        LogicalPlanBuilder::from(plan)
            .sort(order)
            .and_then(LogicalPlanBuilder::build)
            .map_err(|error| SqlProblem { range: None, ..SqlProblem::from_engine("", &error) })
    }

    /// Loads rows from memory.
    pub async fn write_rows(
        &self,
        source: &SchemaRef,
        rows: Vec<RecordBatch>,
        schema: &SchemaRef,
    ) -> Result<Vec<Arc<DataFile>>, Failure> {
        let table = MemTable::try_new(Arc::clone(source), vec![rows])
            .map_err(|error| Failure::of_config(self.node, &SqlProblem::from_engine("", &error)))?;
        self.put("rows", Arc::new(table));
        self.write_made(&format!("select * from {}", crate::plan::algebra::scratch("rows")), schema).await
    }

    /// Runs a small query of karat's own.
    pub async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, Failure> {
        let answer = self.run.query(&|variant| self.session(variant), sql).await;
        answer.map_err(|problem| Failure::of_config(self.node, &problem))
    }

    /// The places of files that a query names in its one column.
    pub async fn file_indices(&self, sql: &str) -> Result<Vec<usize>, Failure> {
        Ok(Self::indices(&self.query(sql).await?))
    }

    /// The places of files that an answer names in its one column.
    pub fn indices(answer: &[RecordBatch]) -> Vec<usize> {
        let mut indices = Vec::new();
        for batch in answer {
            if let Some(column) =
                batch.columns().first().and_then(|column| column.as_any().downcast_ref::<Int64Array>())
            {
                indices.extend(column.iter().flatten().filter_map(|index| usize::try_from(index).ok()));
            }
        }
        indices.sort_unstable();
        indices.dedup();
        indices
    }

    /// Removes files that were only a step on the way.
    pub async fn discard(&self, files: &[Arc<DataFile>]) {
        self.run.view.surroundings().warehouse.discard(&self.relation, files).await;
    }
}

/// Keeps those rows of a plan that meet a condition.
fn filtered(session: &Session, plan: LogicalPlan, condition: &str) -> Result<LogicalPlan, SqlProblem> {
    let expression = session.raw_state().create_logical_expr(condition, plan.schema());
    expression
        .and_then(|expression| LogicalPlanBuilder::from(plan).filter(expression)?.build())
        .map_err(|error| SqlProblem { range: None, ..SqlProblem::from_engine(condition, &error) })
}

/// Puts a projection on a plan, so that its columns are those of a table: found by name, cast, null if absent.
fn shaped(plan: LogicalPlan, schema: &SchemaRef) -> datafusion::error::Result<LogicalPlan> {
    let columns = plan.schema().columns();
    let mut chosen = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let found = columns
            .iter()
            .find(|column| column.name == *field.name())
            .or_else(|| columns.iter().find(|column| column.name.eq_ignore_ascii_case(field.name())));
        let expression = match found {
            Some(column) => {
                let data_type = plan.schema().field_from_column(column)?.data_type().clone();
                let value = Expr::Column(column.clone());
                if data_type == *field.data_type() { value } else { cast(value, field.data_type().clone()) }
            }
            None => Expr::Literal(ScalarValue::try_from(field.data_type())?, None),
        };
        chosen.push(expression.alias(field.name()));
    }
    if chosen.is_empty() {
        // Parquet and Delta have no table without columns.
        return Err(datafusion::error::DataFusionError::Plan("the query has no columns".into()));
    }
    LogicalPlanBuilder::from(plan).project(chosen)?.build()
}

fn codec(text: &str) -> Option<Codec> {
    match text.to_ascii_lowercase().as_str() {
        "zstd" => Some(Codec::Zstd),
        "snappy" => Some(Codec::Snappy),
        "lz4" => Some(Codec::Lz4),
        "none" | "uncompressed" => Some(Codec::None),
        _ => None,
    }
}

fn unknown_codec(text: &str) -> String {
    format!("there is no compression `{text}`; expected `zstd`, `snappy`, `lz4` or `none`")
}
