// Package agent brings the capsules claimed for one container host to what their specs ask for, and reports what it
// sees. There is one agent for each host, a part of the server process; nothing is installed on the host.
//
//	store ──list+watch──► feed ──► worker (one goroutine for each capsule) ──► executor ──► runtime.Host
//	  ▲                              │  Advance → write facts → Decide → start actions         │
//	  └──────────── facts ───────────┘        ▲                ▲                                │
//	                                          │ wake           │ results                        │
//	runtime events, relist ──► observer ──────┘                └────────────────────────────────┘
//	probe workers ────────────────────────────┘
//
// The parts beneath know nothing of workers or of the store: observer keeps what the host shows, executor carries out one
// action, container (pure) says what a host is asked to make, metering makes rates of counters.
//
// # Who writes what
//
// The agent is the only writer of Facts of the capsules that are claimed for its host, and it is the only one that
// removes a record: last, when nothing of the capsule is left. A container with AutoRemove that has ended it asks the store to
// delete, which looks once more in the same write whether it has. It holds the host's election in the store while it
// works; when it loses it, it stops working and leaves every container as it is.
//
// # Level, not edge
//
// An event of the engine, a change in the store, a probe's result and a timer all mean the same: look again. The
// observer lists everything each time the event stream is opened and every half minute besides. An action's result is
// an observation like any other. While the engine does not answer, nothing is decided and nothing counts as failed.
//
// # News
//
// What only an action knows (how an image came, which hook failed, which limits the engine was given) reaches the facts as
// news of the worker. News of an attempt that is being made waits for the write that shows the attempt, so that the way
// from a claim to a running container has no write more; a real pull and a failed hook are written at once.
//
// # Networks and images
//
// The sandbox is made in the first network of the spec, joins the others before it starts, and is connected and disconnected as
// it runs when the spec changes: package lifecycle compares what the engine shows with what is asked for. A network of the API
// becomes a bridge of the host when a sandbox first needs it, and goes when its record has gone and the engine lets it. Images
// that were asked for as such are records too; the agent pulls them and writes what became of it.
//
// # Statistics
//
// They are read from the kernel's files when somebody asks (package stats); the pids come from the observer, so that a
// scrape makes no engine busy. A capsule's CPU time goes on when a container ends, by what was last read of it.
//
// # The disk
//
// Every ten seconds the volumes with a size limit and the capsules with a limit of ephemeral storage are measured: writable
// layers and logs where the engine keeps them in directories of this machine, else by asking the engine, once a minute
// because it walks the files. For statistics, while somebody asks for them, all capsules are measured once a minute as far as
// no engine has to be asked. Package eviction decides; the capsule ends at once, as evicted by a kubelet.
//
// # Stopping
//
// When the context of Run ends, actions under way are abandoned and containers stay as they are; the next start
// observes and goes on. Only a deletion stops containers.
package agent
