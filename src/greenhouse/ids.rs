//! The keys of the shop's things. A key is computed from the seed, the kind of the thing and its number, so that a row
//! can refer to another one without looking it up.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::random::Seeds;

/// The kinds of things that have keys. The numbers are part of what a seed means: never change one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entity {
    /// An address.
    Address = 1,
    /// A user.
    User = 2,
    /// A product.
    Product = 3,
    /// A session; its order has the same number.
    Session = 4,
    /// An order.
    Order = 5,
    /// A web event.
    Event = 6,
    /// A carrier's tracking number.
    Tracking = 7,
    /// Something that is nowhere: the keys of orphans.
    Nothing = 8,
}

/// How keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdForm {
    /// 32 hexadecimal digits.
    Hex32,
    /// A UUID of version 8 (custom), such as 2489e0d4-6a1f-8c3b-9d57-0c6f1e2a3b4d.
    Uuid,
    /// A whole number of 63 bits; half the size, for benchmarks.
    Int64,
}

/// A key, ready to be written.
#[derive(Debug, Clone, Copy)]
pub struct Id {
    text: [u8; 36],
    length: usize,
    /// The key as a number; only where keys are numbers.
    pub value: i64,
}

impl Id {
    /// The key as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }
}

/// Session numbers begin with the number of their user; so many bits are left for the user's sessions.
pub const SESSION_BITS: u32 = 24;

/// Event numbers begin with the number of their session; so many bits are left for the session's events.
pub const EVENT_BITS: u32 = 6;

/// The place within its session of an event that a later batch adds: the shipment of an order that was prepared.
pub const LATE_SHIPMENT: u64 = (1 << EVENT_BITS) - 1;

/// The number of what a journey makes: its user, its address, its session, its order. `batch` is below 2^24.
pub fn journey_number(batch: u64, journey: u64) -> u64 {
    1 << 56 | batch << 32 | journey
}

/// Makes keys.
#[derive(Debug, Clone)]
pub struct Keys {
    seeds: Seeds,
    form: IdForm,
}

impl Keys {
    /// The keys of a seed in a form.
    pub fn new(seeds: Seeds, form: IdForm) -> Self {
        Self { seeds, form }
    }

    /// The key of a thing. No two things of a kind have the same; numbers are below 2^63.
    pub fn id(&self, entity: Entity, number: u64) -> Id {
        let mut id = Id { text: [0; 36], length: 0, value: 0 };
        match self.form {
            IdForm::Hex32 => {
                for byte in self.seeds.digest(entity as u8, number).to_be_bytes() {
                    id.push_hex(byte);
                }
            }
            IdForm::Uuid => {
                let mut bytes = self.seeds.digest(entity as u8, number).to_be_bytes();
                // The version of a UUID whose content is the maker's own affair, and its variant.
                bytes[6] = bytes[6] & 0x0f | 0x80;
                bytes[8] = bytes[8] & 0x3f | 0x80;
                for (place, byte) in bytes.into_iter().enumerate() {
                    if [4, 6, 8, 10].contains(&place) {
                        id.push(b'-');
                    }
                    id.push_hex(byte);
                }
            }
            IdForm::Int64 => {
                let value = scramble(number, self.seeds.digest(entity as u8, u64::MAX));
                id.value = i64::try_from(value).unwrap_or(i64::MAX);
                let mut digits = [0; 20];
                let mut rest = value;
                let mut first = digits.len();
                loop {
                    first -= 1;
                    digits[first] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                    rest /= 10;
                    if rest == 0 {
                        break;
                    }
                }
                digits[first..].iter().for_each(|digit| id.push(*digit));
            }
        }
        id
    }
}

impl Id {
    fn push(&mut self, byte: u8) {
        self.text[self.length] = byte;
        self.length += 1;
    }

    fn push_hex(&mut self, byte: u8) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.push(DIGITS[usize::from(byte >> 4)]);
        self.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// A permutation of the numbers below 2^63: each step can be undone, so no two numbers meet.
fn scramble(number: u64, key: u128) -> u64 {
    const MASK: u64 = (1 << 63) - 1;
    let [low, high] = [key, key >> 64].map(|part| u64::try_from(part & u128::from(MASK)).unwrap_or(0));
    let mut value = (number ^ low) & MASK;
    value = value.wrapping_mul(high | 1) & MASK;
    value ^= value >> 32;
    value = value.wrapping_mul(0x2545_f491_4f6c_dd1d) & MASK;
    value ^ value >> 29
}
