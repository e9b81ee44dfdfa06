//! The way back from rendered text to the templates that wrote it, and the text while it is being written.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use crate::base::diagnostic::{Diagnostic, Label};
use crate::base::source::Location;
use crate::template::syntax::{Origin, Span};

/// A call of a macro on the way to a piece of text.
#[derive(Debug)]
pub struct CallSite {
    /// Name of the macro.
    pub name: String,
    /// Where it was called.
    pub location: Location,
    /// Whether the call stands in one of karat's own macros.
    pub built_in: bool,
    /// The call that the calling macro is in.
    pub outer: Option<Arc<Self>>,
}

/// A line of the story of a call.
#[derive(Debug)]
pub enum CallStep {
    /// A call in a file of the user.
    Call(Label),
    /// Calls that are not shown one by one.
    Note(String),
}

/// Most calls that are shown; of a longer way the innermost and the outermost are.
const SHOWN_CALLS: usize = 6;

impl CallSite {
    /// The calls that led here, innermost first, without those in built-in macros and without repetitions.
    pub fn steps(&self) -> Vec<CallStep> {
        let mut labels: Vec<Label> = Vec::new();
        let (mut total, mut site) = (0, Some(self));
        while let Some(current) = site {
            if !current.built_in {
                total += 1;
                if !labels.iter().any(|label| label.location == current.location) {
                    let message = format!("macro `{}` called here", current.name);
                    labels.push(Label { location: current.location.clone(), message });
                }
            }
            site = current.outer.as_deref();
        }
        if labels.len() > SHOWN_CALLS {
            labels.drain(SHOWN_CALLS / 2..labels.len() - SHOWN_CALLS / 2);
        }
        let hidden = total - labels.len();
        let mut steps: Vec<CallStep> = labels.into_iter().map(CallStep::Call).collect();
        if hidden > 0 {
            steps.push(CallStep::Note(format!("{hidden} more calls of macros are not shown")));
        }
        steps
    }
}

/// Where a piece of rendered text comes from.
#[derive(Debug, Clone)]
pub struct Place {
    /// The innermost place in a file of the user.
    pub location: Location,
    /// The macro calls that led there, innermost first.
    pub calls: Vec<Label>,
}

impl Place {
    /// Adds the place and the calls to a diagnostic.
    #[must_use]
    pub fn label(&self, diagnostic: Diagnostic, message: impl Into<String>) -> Diagnostic {
        let mut diagnostic = diagnostic.at(self.location.clone(), message);
        diagnostic.labels.extend(self.calls.iter().cloned());
        diagnostic
    }
}

/// A piece of text that one statement wrote.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Bytes of the output.
    output: Range<usize>,
    /// The template or macro file.
    origin: Arc<Origin>,
    /// What wrote it.
    span: Span,
    /// Whether the text was copied, so that each byte has its own place.
    exact: bool,
    /// The call of the macro that it stands in.
    call: Option<Arc<CallSite>>,
}

/// Maps ranges of rendered text to places in templates and macros.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    segments: Vec<Segment>,
}

impl SourceMap {
    /// The place in the user's files that a range of the rendered text comes from.
    ///
    /// Text of a macro is found in the macro's file, with the calls that led there; text of a built-in macro is found
    /// at the user's call of it.
    pub fn locate(&self, output: Range<usize>) -> Option<Place> {
        let index = self.segments.partition_point(|segment| segment.output.end <= output.start);
        let segment = self.segments.get(index).or_else(|| self.segments.last())?;
        let end_index = self.segments.partition_point(|segment| segment.output.end < output.end);
        let end_segment = self.segments.get(end_index).unwrap_or(segment);
        let mut span = segment.place(output.start);
        let is_same_source = Arc::ptr_eq(&segment.origin, &end_segment.origin)
            && segment.call.as_ref().map(Arc::as_ptr) == end_segment.call.as_ref().map(Arc::as_ptr);
        if is_same_source && output.end > output.start {
            let last = end_segment.place(output.end.saturating_sub(1));
            let end = if end_segment.exact { last.start + 1 } else { last.end };
            // A loop can write later text from an earlier place.
            if end > span.start {
                span.end = end;
            }
        } else if segment.exact {
            span.end = segment.span.end;
        }
        let mut calls = Vec::new();
        let mut location = (!segment.origin.built_in).then(|| segment.origin.location(span));
        for step in segment.call.iter().flat_map(|call| call.steps()) {
            match step {
                CallStep::Call(label) if location.is_none() => location = Some(label.location),
                CallStep::Call(label) => calls.push(label),
                CallStep::Note(_) => {}
            }
        }
        Some(Place { location: location?, calls })
    }

    /// Appends the map of a text that is put after `offset` bytes of this map's text.
    pub fn append(&mut self, other: &Self, offset: usize) {
        self.segments.extend(other.segments.iter().map(|segment| segment.moved(offset, 0)));
    }

    /// The map after `removed` bytes were cut from the beginning of the text and `inserted` bytes put there.
    #[must_use]
    pub fn shifted(&self, removed: usize, inserted: usize) -> Self {
        let kept = self.segments.iter().filter(|segment| segment.output.end > removed);
        Self { segments: kept.map(|segment| segment.clipped(removed, usize::MAX).moved(inserted, removed)).collect() }
    }
}

impl Segment {
    /// The span behind one byte of the output.
    fn place(&self, output: usize) -> Span {
        if !self.exact {
            return self.span;
        }
        let within = output.saturating_sub(self.output.start).min(self.span.end - self.span.start);
        Span { start: self.span.start + within, end: self.span.start + within }
    }

    fn moved(&self, forward: usize, back: usize) -> Self {
        let mut segment = self.clone();
        segment.output = segment.output.start + forward - back..segment.output.end + forward - back;
        segment
    }

    /// The part of the segment within a range of the output.
    fn clipped(&self, start: usize, end: usize) -> Self {
        let mut segment = self.clone();
        let cut = start.saturating_sub(segment.output.start);
        let over = segment.output.end.saturating_sub(end);
        segment.output = segment.output.start + cut..segment.output.end - over;
        if segment.exact {
            segment.span = Span { start: segment.span.start + cut, end: segment.span.end - over };
        }
        segment
    }
}

/// Text that is being written, with its segments.
#[derive(Debug, Default)]
pub struct Written {
    /// The text.
    pub text: String,
    segments: Vec<Segment>,
}

impl Written {
    /// Appends text with what wrote it.
    pub fn push(&mut self, text: &str, exact: bool, origin: &Arc<Origin>, span: Span, call: Option<&Arc<CallSite>>) {
        if text.is_empty() {
            return;
        }
        let output = self.text.len()..self.text.len() + text.len();
        self.text.push_str(text);
        self.segments.push(Segment { output, origin: Arc::clone(origin), span, exact, call: call.cloned() });
    }

    /// Appends text whose segments are known from when it was written.
    pub fn push_traced(&mut self, text: &str, segments: &[Segment]) {
        let offset = self.text.len();
        self.text.push_str(text);
        self.segments.extend(segments.iter().map(|segment| segment.moved(offset, 0)));
    }

    /// The finished map and text.
    pub fn finish(self) -> (String, SourceMap) {
        (self.text, SourceMap { segments: self.segments })
    }
}

/// Remembers where texts came from that were kept in variables or returned by macros.
///
/// A text is known by its content: when the same text is written again, its places are found again, however it got
/// there. Two equal texts share the later one's places, which matters only for messages.
#[derive(Debug, Default)]
pub struct Traces {
    known: HashMap<(usize, u64), Arc<[Segment]>>,
}

/// Shorter texts are not worth remembering: they are names and keywords.
const SHORTEST_TRACE: usize = 8;

impl Traces {
    /// Remembers a text, also as it is without the blanks around it.
    pub fn remember(&mut self, written: Written) -> String {
        let Written { text, segments } = written;
        if text.len() >= SHORTEST_TRACE {
            let trimmed = text.trim();
            if trimmed.len() >= SHORTEST_TRACE && trimmed.len() < text.len() {
                let start = text.len() - text.trim_start().len();
                let end = start + trimmed.len();
                let inner = segments
                    .iter()
                    .filter(|segment| segment.output.end > start && segment.output.start < end)
                    .map(|segment| segment.clipped(start, end).moved(0, start))
                    .collect();
                self.known.insert(key(trimmed), inner);
            }
            self.known.insert(key(&text), segments.into());
        }
        text
    }

    /// The segments of a text that was written before.
    pub fn find(&self, text: &str) -> Option<Arc<[Segment]>> {
        if text.len() < SHORTEST_TRACE {
            return None;
        }
        self.known.get(&key(text)).cloned()
    }
}

fn key(text: &str) -> (usize, u64) {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    (text.len(), hasher.finish())
}
