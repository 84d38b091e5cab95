//! The figures of the table: each beside its limit, in one run, on the same machine.
//!
//! | module | does |
//! |---|---|
//! | `calm` | waits until the machine rests |
//! | [`ground`] | a stack of the bench's own, set back between the figures |
//! | [`rounds`] | one round: every figure once, ours and its limit close together |
//! | [`load`] | the load on the API, cheap enough not to be what is measured |
//! | [`publisher`], [`bare_loop`] | the limits: bare confirmed publishing; consume, INSERT, ack |
//! | [`messages`], [`rows`] | what both contenders work on: the very same bytes and rows |
//! | [`depth`] | memory with a deep queue behind |
//! | `stretch` | as many submissions in front of a queue of any depth |
//! | `backlog` | pace and memory with a deep queue behind, beside a consumer that only acks |
//! | `spent`, `resident` | what RabbitMQ and PostgreSQL use of CPU and memory |
//! | `latency`, `stored` | POST to 202 and until it is stored, at a fixed rate |
//! | `start` | how soon a worker that is started is of use |
//! | `costs` | what TLS and the audit trail cost the whole route |
//! | [`trail`], `anchoring` | how fast a copy of the trail is checked, with anchors |
//! | [`idle`] | memory beside ten thousand idle connections |
//! | [`handshakes`] | memory beside TLS handshakes that never end |
//! | [`refusals`] | a million refused requests: rows of the audit trail, and what they count |
//! | [`exports`] | a bulk export beside `COPY`, and its memory |
//! | [`growth`] | figures as workers, queues, hospitals and bodies grow |
//! | [`downloads`] | intake beside clients that download an export |
//! | [`recorded`] | what a recorded run says of itself |
//! | [`line`](mod@line), [`lines`] | which figures become which lines, and with which goals |
//! | [`report`], [`page`], `plot` | table and JSON, and what docs/PROOF.md says and shows of recorded runs |
//! | `foremost` | which of them README.md shows |

mod anchoring;
mod backlog;
pub mod bare_loop;
mod calm;
mod costs;
pub mod depth;
pub mod downloads;
pub mod exports;
mod foremost;
pub mod ground;
pub mod growth;
pub mod handshakes;
pub mod idle;
mod inserts;
mod latency;
pub mod line;
pub mod lines;
pub mod load;
pub mod measure;
pub mod messages;
pub mod page;
mod plot;
pub mod publisher;
pub mod recorded;
pub mod refusals;
pub mod report;
mod resident;
pub mod rounds;
pub mod rows;
pub(crate) mod spent;
mod start;
mod stored;
mod stretch;
pub mod trail;
