//! The first load: all tables of a shop, made block by block.

use crate::batch::{Batch, Piece};
use crate::failure::Failure;
use crate::goods;
use crate::ids::SESSION_BITS;
use crate::manifest::Manifest;
use crate::numbers::index;
use crate::people::{Address, HUB, User, first_user, push_address, push_user};
use crate::pipeline;
use crate::tables::Table;
use crate::visit::{Visit, push_order, push_visit};
use crate::{batch::FileDefects, shop::Shop};

/// Most users, or addresses, of a block. With the default profile a block then has about 140,000 events, which is a
/// good size for a row group.
const PEOPLE: u64 = 8192;

/// Most sessions of a block of the user who has so many.
const SESSIONS: u64 = 24_000;

/// Parts of a small load, so that several threads have something to do.
const PARTS: u64 = 16;

/// What is made at once.
#[derive(Debug, Clone, Copy)]
enum Block {
    /// Products, promotions and the budget.
    Goods,
    /// Addresses from one number up to another.
    Addresses(u64, u64),
    /// Users with their sessions.
    Users(u64, u64),
    /// Sessions of the one user who has so many.
    Hub(u64, u64),
}

/// The blocks in the order of their rows.
fn blocks(shop: &Shop) -> Vec<Block> {
    let mut blocks = vec![Block::Goods];
    let ranges = |end: u64, most: u64| {
        let size = (end / PARTS).clamp(64, most);
        let starts = (0..end).step_by(index(size));
        starts.map(move |start| (start, (start + size).min(end)))
    };
    blocks.extend(ranges(shop.addresses, PEOPLE).map(|(from, to)| Block::Addresses(from, to)));
    blocks.extend(ranges(shop.users, PEOPLE).map(|(from, to)| Block::Users(from, to)));
    blocks.extend(ranges(shop.hub_sessions, SESSIONS).map(|(from, to)| Block::Hub(from, to)));
    blocks
}

/// Writes a first load aside; it then only has to be published.
pub fn write(batch: &Batch<'_>, threads: usize, wanted: &FileDefects) -> Result<Manifest, Failure> {
    let blocks = blocks(batch.shop);
    let mut collector = batch.begin()?;
    collector.open_all()?;
    pipeline::run(
        blocks.len(),
        threads,
        |number| make(batch, blocks[number]),
        |pieces: Vec<Piece>| pieces.into_iter().try_for_each(|piece| collector.take(piece)),
    )?;
    collector.seal("init", &[], wanted)
}

fn make(batch: &Batch<'_>, block: Block) -> Result<Vec<Piece>, Failure> {
    let (shop, loaded) = (batch.shop, batch.loaded);
    match block {
        Block::Goods => {
            let mut products = batch.rows(Table::Products);
            goods::push_products(&mut products, shop, loaded);
            let mut promos = batch.rows(Table::Promos);
            goods::push_promos(&mut promos, shop, loaded);
            let mut budget = batch.rows(Table::Budget);
            goods::push_budget(&mut budget, shop, loaded);
            [products, promos, budget].into_iter().map(|rows| batch.ready(rows, true)).collect()
        }
        Block::Addresses(from, to) => {
            let mut addresses = batch.rows(Table::Addresses);
            for number in from..to {
                push_address(&mut addresses, shop, &Address { number, version: 0 }, loaded);
            }
            Ok(vec![batch.ready(addresses, from == 0)?])
        }
        Block::Users(from, to) => {
            let mut users = batch.rows(Table::Users);
            let mut visits = Visits::new(batch);
            for number in from..to {
                let (user, sessions) = first_user(shop, number);
                push_user(&mut users, shop, &user, loaded);
                // Those of the hub have blocks of their own.
                let own = if number == HUB && shop.hub_sessions > 0 { 0 } else { sessions };
                visits.push(batch, &user, 0, own);
            }
            let mut pieces = vec![batch.ready(users, from == 0)?];
            pieces.extend(visits.ready(batch, from == 0)?);
            Ok(pieces)
        }
        Block::Hub(from, to) => {
            let mut visits = Visits::new(batch);
            let (user, _) = first_user(shop, HUB);
            visits.push(batch, &user, from, to);
            visits.ready(batch, false)
        }
    }
}

/// The rows that sessions make.
struct Visits {
    orders: crate::columns::Rows,
    items: crate::columns::Rows,
    events: crate::columns::Rows,
    visit: Visit,
}

impl Visits {
    fn new(batch: &Batch<'_>) -> Self {
        Self {
            orders: batch.rows(Table::Orders),
            items: batch.rows(Table::OrderItems),
            events: batch.rows(Table::Events),
            visit: Visit::default(),
        }
    }

    fn push(&mut self, batch: &Batch<'_>, user: &User, from: u64, to: u64) {
        for session in from..to {
            self.visit.draw(batch.shop, user, user.number << SESSION_BITS | session);
            push_visit(&mut self.events, &mut self.items, batch.shop, &self.visit, batch.loaded);
            if let Some(order) = &self.visit.order {
                push_order(&mut self.orders, batch.shop, order, batch.loaded);
            }
        }
    }

    fn ready(self, batch: &Batch<'_>, is_first: bool) -> Result<Vec<Piece>, Failure> {
        [self.orders, self.items, self.events].into_iter().map(|rows| batch.ready(rows, is_first)).collect()
    }
}
