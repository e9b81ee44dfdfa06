//! Splits delimited text into records, with the line on which each begins.
//!
//! This is a reader of its own because a warehouse must not guess: a quote that is never closed, or text after a
//! closing quote, is refused with its line instead of swallowing the rest of the file, a quoted empty field can be
//! told from a missing one, and lines are counted with any of the three line ends. Lines that are wholly empty are
//! skipped. A quote in the middle of an unquoted field is an ordinary character.

use std::io::BufRead;

/// Largest record in bytes: protects memory against a file that is not delimited text at all.
pub(super) const RECORD_BYTES: usize = 256 << 20;

/// The special bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    /// Makes the next byte of a quoted field literal; a doubled quote always stands for one quote.
    pub(super) escape: Option<u8>,
    /// Lines that begin with it are skipped.
    pub(super) comment: Option<u8>,
}

/// One record; reused between reads.
#[derive(Debug, Default)]
pub(super) struct Record {
    data: Vec<u8>,
    ends: Vec<usize>,
    quoted: Vec<bool>,
    /// Line on which the record begins, from 1.
    pub(super) line: u64,
}

impl Record {
    /// Number of fields.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// One field's bytes without quotes, and whether it was quoted; `None` past the end.
    pub(super) fn field(&self, index: usize) -> Option<(&[u8], bool)> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { *self.ends.get(index - 1)? };
        Some((self.data.get(start..end)?, *self.quoted.get(index)?))
    }

    fn clear(&mut self, line: u64) {
        self.data.clear();
        self.ends.clear();
        self.quoted.clear();
        self.line = line;
    }

    fn end_field(&mut self, quoted: bool) {
        self.ends.push(self.data.len());
        self.quoted.push(quoted);
    }
}

/// Why the next record cannot be had.
#[derive(Debug)]
pub(super) enum RecordError {
    Read(std::io::Error),
    /// The text is not what the dialect allows; the line, and what was found.
    Syntax {
        line: u64,
        detail: String,
    },
}

/// Reads records.
pub(super) struct RecordReader<R> {
    input: R,
    dialect: Dialect,
    line: u64,
    /// The last byte was `\r`, which has been counted as a line end: a `\n` that follows belongs to it.
    after_return: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    Comment,
    FieldStart,
    Plain,
    Quoted,
    Escaped,
    QuoteEnd,
}

impl<R: BufRead> RecordReader<R> {
    pub(super) fn new(input: R, dialect: Dialect) -> Self {
        Self { input, dialect, line: 1, after_return: false }
    }

    /// Reads the next record; `false` at the end of the text.
    pub(super) fn read(&mut self, record: &mut Record) -> Result<bool, RecordError> {
        let Self { input, dialect, line, after_return } = self;
        let Dialect { delimiter, quote, escape, comment } = *dialect;
        let escape = escape.filter(|escape| Some(*escape) != quote);
        let mut state = State::Between;
        let mut quote_line = *line;
        record.clear(*line);
        loop {
            let buffer = input.fill_buf().map_err(RecordError::Read)?;
            if buffer.is_empty() {
                return match state {
                    State::Between | State::Comment => Ok(false),
                    State::FieldStart | State::Plain | State::QuoteEnd => {
                        record.end_field(state == State::QuoteEnd);
                        Ok(true)
                    }
                    State::Quoted | State::Escaped => Err(RecordError::Syntax {
                        line: quote_line,
                        detail: "a quote that begins here is never closed".to_owned(),
                    }),
                };
            }
            if record.data.len() > RECORD_BYTES {
                return Err(RecordError::Syntax {
                    line: record.line,
                    detail: format!("the record that begins here has more than {RECORD_BYTES} bytes"),
                });
            }
            let mut at = 0;
            let mut done = false;
            while let Some(&byte) = buffer.get(at) {
                match state {
                    State::Between => match byte {
                        b'\n' | b'\r' => {
                            count_line(byte, line, after_return);
                            at += 1;
                        }
                        byte => {
                            *after_return = false;
                            record.line = *line;
                            state = if comment == Some(byte) { State::Comment } else { State::FieldStart };
                        }
                    },
                    State::Comment => {
                        at += 1;
                        if matches!(byte, b'\n' | b'\r') {
                            count_line(byte, line, after_return);
                            state = State::Between;
                        }
                    }
                    State::FieldStart if quote == Some(byte) => {
                        at += 1;
                        quote_line = *line;
                        state = State::Quoted;
                    }
                    State::FieldStart => state = State::Plain,
                    State::Plain | State::QuoteEnd => {
                        let rest = &buffer[at..];
                        if state == State::Plain {
                            let run = rest
                                .iter()
                                .position(|byte| *byte == delimiter || *byte == b'\n' || *byte == b'\r')
                                .unwrap_or(rest.len());
                            record.data.extend_from_slice(&rest[..run]);
                            at += run;
                        } else if quote == Some(byte) {
                            record.data.push(byte);
                            at += 1;
                            state = State::Quoted;
                            continue;
                        }
                        let Some(&byte) = buffer.get(at) else { break };
                        if byte == delimiter {
                            at += 1;
                            record.end_field(state == State::QuoteEnd);
                            state = State::FieldStart;
                        } else if matches!(byte, b'\n' | b'\r') {
                            at += 1;
                            record.end_field(state == State::QuoteEnd);
                            count_line(byte, line, after_return);
                            done = true;
                            break;
                        } else {
                            return Err(RecordError::Syntax {
                                line: *line,
                                detail: format!(
                                    "field {} has text after its closing quote; a quote within a quoted field is \
                                     written twice",
                                    record.len() + 1
                                ),
                            });
                        }
                    }
                    State::Quoted => {
                        let rest = &buffer[at..];
                        let run = rest
                            .iter()
                            .position(|byte| {
                                Some(*byte) == quote || Some(*byte) == escape || matches!(*byte, b'\n' | b'\r')
                            })
                            .unwrap_or(rest.len());
                        if run > 0 {
                            *after_return = false;
                            record.data.extend_from_slice(&rest[..run]);
                            at += run;
                        }
                        let Some(&byte) = buffer.get(at) else { break };
                        at += 1;
                        if Some(byte) == quote {
                            *after_return = false;
                            state = State::QuoteEnd;
                        } else if Some(byte) == escape {
                            *after_return = false;
                            state = State::Escaped;
                        } else {
                            record.data.push(byte);
                            count_line(byte, line, after_return);
                        }
                    }
                    State::Escaped => {
                        record.data.push(byte);
                        at += 1;
                        if matches!(byte, b'\n' | b'\r') {
                            count_line(byte, line, after_return);
                        }
                        state = State::Quoted;
                    }
                }
            }
            input.consume(at);
            if done {
                return Ok(true);
            }
        }
    }
}

/// Counts a line end; `\r\n` counts once.
fn count_line(byte: u8, line: &mut u64, after_return: &mut bool) {
    if byte == b'\r' || !*after_return {
        *line += 1;
    }
    *after_return = byte == b'\r';
}
