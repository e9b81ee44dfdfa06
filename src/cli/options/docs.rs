//! What the verbs of `karat docs` take.

use std::path::PathBuf;

use super::{Reader, SelectionOptions};
use crate::cli::args::DocsArguments;

/// A verb of `docs`.
#[derive(Debug, Clone)]
pub enum DocsOptions {
    /// `docs generate`
    Generate(GenerateOptions),
    /// `docs serve`
    Serve(ServeOptions),
    /// `docs lineage`
    Lineage(LineageOptions),
}

impl DocsOptions {
    /// The verb as artifacts and templates name it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Generate(_) => "generate",
            Self::Serve(_) => "serve",
            Self::Lineage(_) => "lineage",
        }
    }
}

/// What `docs generate` takes.
#[derive(Debug, Clone)]
pub struct GenerateOptions {
    /// The nodes whose columns and SQL are looked at; all have a page.
    pub selection: SelectionOptions,
    /// Whether nothing is compiled.
    pub no_compile: bool,
    /// Whether what is published is left out.
    pub empty_catalog: bool,
}

/// What `docs serve` takes.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 means any that is free.
    pub port: u16,
    /// Whether a browser is opened.
    pub browser: bool,
}

/// What `docs lineage` takes.
#[derive(Debug, Clone)]
pub struct LineageOptions {
    /// Nodes.
    pub selection: SelectionOptions,
    /// Form of the text.
    pub output: LineageFormat,
    /// File to write instead of standard output.
    pub file: Option<PathBuf>,
}

/// A form of the lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineageFormat {
    /// A flowchart of Mermaid.
    Mermaid,
    /// A graph of Graphviz.
    Dot,
    /// Nodes and edges.
    Json,
    /// A page with the flowchart and a table for each layer.
    Markdown,
}

impl Reader<'_> {
    pub(super) fn docs(&mut self, given: DocsArguments) -> DocsOptions {
        match given {
            DocsArguments::Generate(given) => DocsOptions::Generate(GenerateOptions {
                selection: self.selection(given.selection),
                no_compile: given.no_compile,
                empty_catalog: given.empty_catalog,
            }),
            DocsArguments::Serve(given) => {
                DocsOptions::Serve(ServeOptions { host: given.host, port: given.port, browser: !given.no_browser })
            }
            DocsArguments::Lineage(given) => {
                let words = [
                    ("mermaid", LineageFormat::Mermaid),
                    ("dot", LineageFormat::Dot),
                    ("json", LineageFormat::Json),
                    ("markdown", LineageFormat::Markdown),
                ];
                DocsOptions::Lineage(LineageOptions {
                    selection: self.selection(given.selection),
                    output: self.word(given.output, "", "--output", &words).unwrap_or(LineageFormat::Mermaid),
                    file: given.file.filter(|file| file.as_os_str() != "-"),
                })
            }
        }
    }
}
