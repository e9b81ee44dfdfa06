//! The words of the shop: names of people, streets, states and plants.

/// Given names.
pub const FIRST_NAMES: [&str; 64] = [
    "Ada", "Bruno", "Carla", "Dora", "Emil", "Frida", "Gustav", "Hanna", "Igor", "Jana", "Karl", "Lena", "Marco",
    "Nadia", "Otto", "Paula", "Quentin", "Rosa", "Stefan", "Tilda", "Ulrich", "Vera", "Walter", "Xenia", "Yusuf",
    "Zoe", "Amir", "Bella", "Cyrus", "Dalia", "Ethan", "Fatima", "Gideon", "Helena", "Isaac", "Julia", "Kenji",
    "Lucia", "Mateo", "Nora", "Omar", "Petra", "Rafael", "Selma", "Tomas", "Uma", "Victor", "Wanda", "Yara", "Zeno",
    "Alma", "Boris", "Celia", "Diego", "Elsa", "Felix", "Greta", "Hugo", "Irene", "Jonas", "Kira", "Leon", "Maya",
    "Noel",
];

/// Family names.
pub const LAST_NAMES: [&str; 64] = [
    "Abbott", "Brandt", "Castillo", "Dalton", "Eriksen", "Fischer", "Garner", "Hoffman", "Ibsen", "Jansen", "Keller",
    "Lindgren", "Moreau", "Novak", "Okafor", "Petrov", "Quinn", "Romano", "Schmidt", "Tanaka", "Ueda", "Vargas",
    "Weber", "Xiong", "Yilmaz", "Zimmer", "Archer", "Bishop", "Carver", "Dupont", "Ellison", "Farmer", "Gomez",
    "Harper", "Irving", "Jordan", "Kaplan", "Lambert", "Mercer", "Nielsen", "Osborne", "Parker", "Rhodes", "Santos",
    "Turner", "Upton", "Vogel", "Walsh", "York", "Ziegler", "Ashford", "Becker", "Cooper", "Draper", "Engel", "Foster",
    "Graham", "Hansen", "Ingram", "Jensen", "Klein", "Larsen", "Meyer", "Norton",
];

/// Domains that are kept free for examples.
pub const DOMAINS: [&str; 3] = ["example.com", "example.org", "example.net"];

/// Names of streets, without their kind.
pub const STREETS: [&str; 40] = [
    "Fir", "Alder", "Hazel", "Maple", "Birch", "Cedar", "Willow", "Juniper", "Magnolia", "Sycamore", "Laurel",
    "Linden", "Poplar", "Aspen", "Chestnut", "Dogwood", "Elm", "Hawthorn", "Hickory", "Holly", "Ivy", "Jasmine",
    "Lavender", "Mulberry", "Myrtle", "Oak", "Olive", "Orchard", "Pine", "Redwood", "Rose", "Rowan", "Sage", "Spruce",
    "Tamarack", "Thistle", "Walnut", "Yarrow", "Meadow", "Garden",
];

/// Kinds of streets.
pub const STREET_KINDS: [&str; 8] = ["Road", "Way", "Drive", "Street", "Avenue", "Lane", "Court", "Place"];

/// States with the first two digits of some of their postal codes; one has a leading zero.
pub const STATES: [(&str, &str); 16] = [
    ("Texas", "75"),
    ("California", "90"),
    ("Oregon", "97"),
    ("Massachusetts", "02"),
    ("New Jersey", "07"),
    ("New York", "10"),
    ("Florida", "33"),
    ("Georgia", "30"),
    ("Illinois", "60"),
    ("Ohio", "44"),
    ("Colorado", "80"),
    ("Washington", "98"),
    ("Arizona", "85"),
    ("Minnesota", "55"),
    ("Virginia", "22"),
    ("Utah", "84"),
];

/// Plants.
pub const PLANTS: [&str; 30] = [
    "Monstera",
    "Snake Plant",
    "Spider Plant",
    "Peace Lily",
    "Rubber Plant",
    "Pothos",
    "Aloe Vera",
    "Jade Plant",
    "Boston Fern",
    "Fiddle Leaf Fig",
    "Bird of Paradise",
    "Calathea",
    "Dracaena",
    "Philodendron",
    "String of Hearts",
    "Orchid",
    "Bonsai",
    "Cactus",
    "Dumb Cane",
    "English Ivy",
    "Prayer Plant",
    "Money Tree",
    "Parlor Palm",
    "Croton",
    "Anthurium",
    "Begonia",
    "African Violet",
    "Areca Palm",
    "Cast Iron Plant",
    "Air Plant",
];

/// Kinds of a plant, for shops with more products than plants.
pub const VARIETIES: [&str; 12] = [
    "Small",
    "Large",
    "Dwarf",
    "Giant",
    "Variegated",
    "Golden",
    "Silver",
    "Trailing",
    "Hanging",
    "Potted",
    "Young",
    "Old",
];

/// Promotions.
pub const PROMOS: [&str; 12] = [
    "early bird",
    "green thumb",
    "leafy friday",
    "spring bloom",
    "root deal",
    "moving day",
    "repotting week",
    "first plant",
    "rainy season",
    "garden club",
    "window sill",
    "last leaf",
];

/// Letters beyond ASCII that take the place of plain ones.
pub const ACCENTS: [(char, char); 10] = [
    ('a', 'á'),
    ('e', 'é'),
    ('i', 'ï'),
    ('o', 'ö'),
    ('u', 'ü'),
    ('n', 'ñ'),
    ('s', 'š'),
    ('c', 'ç'),
    ('A', 'Å'),
    ('E', 'É'),
];
