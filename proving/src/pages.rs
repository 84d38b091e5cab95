//! The pages of the console, for tests that look at all of them.

/// Those that need no id.
pub const PAGES: [&str; 10] = [
    "/",
    "/queues",
    "/hospitals",
    "/alerts",
    "/alerts?all=1",
    "/dead-letters",
    "/redrives",
    "/submissions",
    "/audit",
    "/pauses",
];
