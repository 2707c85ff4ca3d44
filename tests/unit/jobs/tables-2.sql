BEGIN TRANSACTION;
CREATE TABLE attempt (
	job_id VARCHAR(120) NOT NULL, 
	number INTEGER NOT NULL, 
	worker VARCHAR(120) NOT NULL, 
	process VARCHAR(200) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	bundle_id VARCHAR(64) NOT NULL, 
	began_at DATETIME NOT NULL, 
	store_by DATETIME, 
	orphaned_at DATETIME, 
	ended_at DATETIME, 
	sealed TEXT NOT NULL, 
	fault VARCHAR(16) NOT NULL, 
	error TEXT NOT NULL, 
	hint TEXT NOT NULL, 
	PRIMARY KEY (job_id, number)
);
INSERT INTO "attempt" VALUES('done',1,'old-worker','p','ended','','2026-11-29 12:27:44.510000','2026-11-29 12:28:44.530000',NULL,'2026-11-29 12:27:44.532000','{"bundle_id": "done-1", "sha256": "abababababababababababababababababababababababababababababababab", "length": 1000, "log_size": 7, "exit_code": 0, "outcome": "complete", "http_status": 200, "final_url": "http://example.test/", "title": "A page", "court_minimum": true, "retry_after": "", "date": "", "shown": {"content": "wall", "availability": "inconclusive", "cause": null, "undecided": null, "wall": "login", "rule": "", "notice": "", "cited_rule": "", "detail": "a wall", "takedown": true, "main_sha256": "", "accounts": [], "labels": [], "quoted": [], "stub": ""}}','','','');
INSERT INTO "attempt" VALUES('storing',1,'old-worker','p','storing','storing-1','2026-11-29 12:27:44.566000','2026-11-29 12:28:44.585000',NULL,NULL,'{"bundle_id": "storing-1", "sha256": "abababababababababababababababababababababababababababababababab", "length": 1000, "log_size": 7, "exit_code": 0, "outcome": "complete", "http_status": 200, "final_url": "http://example.test/", "title": "A page", "court_minimum": true, "retry_after": "", "date": "", "shown": null}','','','');
INSERT INTO "attempt" VALUES('running',1,'old-worker','p','running','running-1','2026-11-29 12:27:44.602000',NULL,NULL,NULL,'','','','');
CREATE TABLE duty (
	name VARCHAR(60) NOT NULL, 
	holder VARCHAR(120) NOT NULL, 
	until DATETIME NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE job (
	seq INTEGER NOT NULL, 
	id VARCHAR(120) NOT NULL, 
	url TEXT NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	policy TEXT NOT NULL, 
	origin VARCHAR(200) NOT NULL, 
	priority INTEGER NOT NULL, 
	tags TEXT NOT NULL, 
	enqueued_at DATETIME NOT NULL, 
	not_before DATETIME, 
	not_after DATETIME, 
	state VARCHAR(16) NOT NULL, 
	ready INTEGER NOT NULL, 
	due_at DATETIME, 
	run INTEGER NOT NULL, 
	handed_at DATETIME, 
	begun INTEGER NOT NULL, 
	attempts INTEGER NOT NULL, 
	lapses INTEGER NOT NULL, 
	revisits INTEGER NOT NULL, 
	giving_up TEXT NOT NULL, 
	worker VARCHAR(120) NOT NULL, 
	started_at DATETIME, 
	ended_at DATETIME, 
	bundle_id VARCHAR(64) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	location TEXT NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	http_status INTEGER, 
	final_url TEXT NOT NULL, 
	title TEXT NOT NULL, 
	court_minimum BOOLEAN, 
	exit_code INTEGER, 
	shown TEXT NOT NULL, 
	light BOOLEAN NOT NULL, 
	vantage VARCHAR(64) NOT NULL, 
	error TEXT NOT NULL, 
	hint TEXT NOT NULL, 
	notes TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
INSERT INTO "job" VALUES(1,'done','http://done.test/ok','done.test','','',100,'[]','2026-01-15 12:30:45.000000',NULL,NULL,'done',0,NULL,1,'2026-11-29 12:27:44.488000',1,1,0,0,'','old-worker','2026-11-29 12:27:44.510000','2026-11-29 12:27:44.532000','done-1','abababababababababababababababababababababababababababababababab','/store/done-1','complete',200,'http://example.test/','A page',1,0,'{"content": "wall", "availability": "inconclusive", "cause": null, "undecided": null, "wall": "login", "rule": "", "notice": "", "cited_rule": "", "detail": "a wall", "takedown": true, "main_sha256": "", "accounts": [], "labels": [], "quoted": [], "stub": ""}',0,'','','','[]');
INSERT INTO "job" VALUES(2,'storing','http://storing.test/ok','storing.test','','',100,'[]','2026-01-15 12:30:45.000000',NULL,NULL,'running',0,NULL,1,'2026-11-29 12:27:44.558000',1,1,0,0,'','old-worker','2026-11-29 12:27:44.566000',NULL,'','','','',NULL,'','',NULL,NULL,'',0,'','','','[]');
INSERT INTO "job" VALUES(3,'running','http://running.test/ok','running.test','','',100,'[]','2026-01-15 12:30:45.000000',NULL,NULL,'running',0,NULL,1,'2026-11-29 12:27:44.594000',1,1,0,0,'','old-worker','2026-11-29 12:27:44.602000',NULL,'','','','',NULL,'','',NULL,NULL,'',0,'','','','[]');
INSERT INTO "job" VALUES(4,'waiting','http://waiting.test/ok','waiting.test','','',100,'[]','2026-01-15 12:30:45.000000',NULL,NULL,'waiting',2,NULL,0,NULL,0,0,0,0,'','',NULL,NULL,'','','','',NULL,'','',NULL,NULL,'',0,'','','','[]');
CREATE TABLE monitor_followed (
	job_id VARCHAR(120) NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (job_id)
);
CREATE TABLE notify_event (
	event_id VARCHAR(200) NOT NULL, 
	channel VARCHAR(64) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	subject VARCHAR(64) NOT NULL, 
	arrived_at DATETIME NOT NULL, 
	not_before DATETIME NOT NULL, 
	group_s INTEGER NOT NULL, 
	repeat_s INTEGER NOT NULL, 
	event TEXT NOT NULL, 
	message_id VARCHAR(64), 
	PRIMARY KEY (event_id, channel)
);
INSERT INTO "notify_event" VALUES('capture.failed/x','desk','capture.failed','2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881','2026-11-29 12:27:44.626000','2026-11-29 12:27:44.626000',0,0,'{"id": "capture.failed/x", "kind": "capture.failed", "at": "2026-01-15T00:00:00+00:00", "subject": "x", "summary": "a capture failed", "about": [{"policy": "p", "origin": "o", "tags": ["t"]}], "reasons": [], "job_id": "x", "bundle_id": "", "worker": "", "url": "", "host": "", "detail": ""}',NULL);
INSERT INTO "notify_event" VALUES('capture.failed/y','desk','capture.failed','0000000000000000000000000000000000000000000000000000000000000000','2026-11-29 12:27:44.626000','2026-11-29 12:27:44.626000',0,0,'{"id": "capture.failed/y", "kind": "capture.failed", "at": "2026-01-15T00:00:00+00:00", "subject": "y", "summary": "a capture of example.org failed", "policy": "p", "origin": "o", "tags": ["t"], "reasons": [], "job_id": "y", "bundle_id": "", "worker": "", "url": "https://example.org/", "host": "example[.]org", "detail": ""}',NULL);
CREATE TABLE notify_message (
	id VARCHAR(64) NOT NULL, 
	channel VARCHAR(64) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	events INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	body BLOB NOT NULL, 
	attempts INTEGER NOT NULL, 
	refusals INTEGER NOT NULL, 
	next_at DATETIME NOT NULL, 
	claimed_until DATETIME, 
	settled_at DATETIME, 
	state VARCHAR(16) NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE polite_host (
	"key" VARCHAR(300) NOT NULL, 
	next_at DATETIME, 
	resting_until DATETIME, 
	sign VARCHAR(16) NOT NULL, 
	strikes INTEGER NOT NULL, 
	struck_at DATETIME, 
	touched_at DATETIME NOT NULL, 
	PRIMARY KEY ("key")
);
CREATE TABLE polite_visit (
	seq INTEGER NOT NULL, 
	"key" VARCHAR(300) NOT NULL, 
	started_at DATETIME NOT NULL, 
	job_id VARCHAR(120) NOT NULL, 
	open_until DATETIME, 
	PRIMARY KEY (seq)
);
CREATE TABLE queue_store (
	id INTEGER NOT NULL, 
	store VARCHAR(32) NOT NULL, 
	place TEXT NOT NULL, 
	since DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE schedule (
	id INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	live_name VARCHAR(64), 
	"plan" TEXT NOT NULL, 
	policy TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	tags TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	created_at DATETIME NOT NULL, 
	changed_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (live_name)
);
CREATE TABLE schedule_gap (
	id INTEGER NOT NULL, 
	schedule_id INTEGER NOT NULL, 
	target_id INTEGER, 
	event VARCHAR(16) NOT NULL, 
	reason VARCHAR(16) NOT NULL, 
	detail TEXT NOT NULL, 
	"by" VARCHAR(200) NOT NULL, 
	slots TEXT NOT NULL, 
	since DATETIME NOT NULL, 
	until DATETIME, 
	noted_at DATETIME NOT NULL, 
	gap_id VARCHAR(64) NOT NULL, 
	claimed_at DATETIME, 
	stored BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(schedule_id) REFERENCES schedule (id), 
	FOREIGN KEY(target_id) REFERENCES schedule_target (id)
);
CREATE TABLE schedule_pause (
	id INTEGER NOT NULL, 
	schedule_id INTEGER NOT NULL, 
	since DATETIME NOT NULL, 
	until DATETIME, 
	"by" VARCHAR(200) NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(schedule_id) REFERENCES schedule (id)
);
CREATE TABLE schedule_target (
	id INTEGER NOT NULL, 
	schedule_id INTEGER NOT NULL, 
	"key" VARCHAR(16) NOT NULL, 
	url TEXT NOT NULL, 
	since DATETIME NOT NULL, 
	next_slot DATETIME, 
	next_at DATETIME, 
	PRIMARY KEY (id), 
	FOREIGN KEY(schedule_id) REFERENCES schedule (id)
);
CREATE TABLE schedule_turn (
	name VARCHAR(32) NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE schedule_visit (
	job_id VARCHAR(120) NOT NULL, 
	schedule_id INTEGER NOT NULL, 
	target_id INTEGER NOT NULL, 
	slot DATETIME NOT NULL, 
	at DATETIME NOT NULL, 
	not_after DATETIME, 
	state VARCHAR(16) NOT NULL, 
	check_at DATETIME, 
	checks INTEGER NOT NULL, 
	was_held BOOLEAN NOT NULL, 
	ended_at DATETIME, 
	bundle_id VARCHAR(64) NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	error TEXT NOT NULL, 
	PRIMARY KEY (job_id), 
	FOREIGN KEY(schedule_id) REFERENCES schedule (id), 
	FOREIGN KEY(target_id) REFERENCES schedule_target (id)
);
CREATE TABLE tables_version (
	id INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "tables_version" VALUES(1,2);
CREATE TABLE watch (
	name VARCHAR(60) NOT NULL, 
	definition TEXT NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	read_state VARCHAR(20) NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	opened BOOLEAN NOT NULL, 
	paused BOOLEAN NOT NULL, 
	ended BOOLEAN NOT NULL, 
	detail TEXT NOT NULL, 
	title TEXT NOT NULL, 
	since DATETIME, 
	next_at DATETIME NOT NULL, 
	due_at DATETIME NOT NULL, 
	claim VARCHAR(40) NOT NULL, 
	claimed_until DATETIME, 
	last_poll_at DATETIME, 
	last_read_at DATETIME, 
	http_status INTEGER, 
	final_url TEXT NOT NULL, 
	listed INTEGER NOT NULL, 
	failures INTEGER NOT NULL, 
	polls BIGINT NOT NULL, 
	missed BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE watch_alias (
	watch VARCHAR(60) NOT NULL, 
	digest VARCHAR(32) NOT NULL, 
	alias TEXT NOT NULL, 
	item BIGINT NOT NULL, 
	PRIMARY KEY (watch, digest)
);
CREATE TABLE watch_gap (
	id INTEGER NOT NULL, 
	schedule VARCHAR(48) NOT NULL, 
	source TEXT NOT NULL, 
	event VARCHAR(16) NOT NULL, 
	reason VARCHAR(16) NOT NULL, 
	detail TEXT NOT NULL, 
	"by" VARCHAR(200) NOT NULL, 
	since DATETIME NOT NULL, 
	until DATETIME, 
	slots TEXT NOT NULL, 
	noted_at DATETIME NOT NULL, 
	gap_id VARCHAR(64) NOT NULL, 
	owed BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE watch_item (
	id INTEGER NOT NULL, 
	watch VARCHAR(60) NOT NULL, 
	digest VARCHAR(32) NOT NULL, 
	"key" TEXT NOT NULL, 
	final BOOLEAN NOT NULL, 
	url TEXT NOT NULL, 
	title TEXT NOT NULL, 
	stamp TEXT NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	backlog BOOLEAN NOT NULL, 
	first_seen DATETIME NOT NULL, 
	job_id VARCHAR(120) NOT NULL, 
	same_as TEXT NOT NULL, 
	learn_at DATETIME, 
	PRIMARY KEY (id), 
	UNIQUE (watch, digest)
);
CREATE TABLE watch_part (
	watch VARCHAR(60) NOT NULL, 
	number INTEGER NOT NULL, 
	url TEXT NOT NULL, 
	answered TEXT NOT NULL, 
	etag TEXT NOT NULL, 
	modified TEXT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	stamp TEXT NOT NULL, 
	listed INTEGER NOT NULL, 
	read_at DATETIME, 
	PRIMARY KEY (watch, number)
);
CREATE TABLE watch_poll (
	id INTEGER NOT NULL, 
	watch VARCHAR(60) NOT NULL, 
	at DATETIME NOT NULL, 
	ended_at DATETIME NOT NULL, 
	state VARCHAR(20), 
	detail TEXT NOT NULL, 
	http_status INTEGER, 
	listed INTEGER NOT NULL, 
	new INTEGER NOT NULL, 
	queued INTEGER NOT NULL, 
	missed INTEGER NOT NULL, 
	gap BIGINT, 
	PRIMARY KEY (id)
);
CREATE TABLE worker (
	id VARCHAR(120) NOT NULL, 
	host VARCHAR(120) NOT NULL, 
	process VARCHAR(200) NOT NULL, 
	version VARCHAR(60) NOT NULL, 
	slots INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	detail TEXT NOT NULL, 
	done INTEGER NOT NULL, 
	started_at DATETIME NOT NULL, 
	beat_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "worker" VALUES('old-worker','h','','0.1.0',1,'working','',0,'2026-11-29 12:27:44.475000','2026-01-15 12:00:00.000000');
CREATE INDEX job_state ON job (state, ended_at);
CREATE INDEX job_host ON job (host, ready);
CREATE INDEX job_origin ON job (origin, seq);
CREATE INDEX job_due ON job (ready, due_at);
CREATE INDEX job_next ON job (ready, priority, seq, host);
CREATE INDEX job_until ON job (not_after);
CREATE INDEX attempt_worker ON attempt (worker, state);
CREATE INDEX attempt_state ON attempt (state);
CREATE INDEX attempt_bundle ON attempt (bundle_id);
CREATE INDEX ix_monitor_followed_at ON monitor_followed (at);
CREATE INDEX polite_visit_budget ON polite_visit ("key", started_at);
CREATE INDEX polite_visit_open ON polite_visit (open_until) WHERE open_until IS NOT NULL;
CREATE INDEX polite_visit_age ON polite_visit (started_at);
CREATE INDEX watch_item_state ON watch_item (watch, state);
CREATE INDEX ix_watch_item_learn_at ON watch_item (learn_at);
CREATE INDEX ix_watch_gap_owed ON watch_gap (owed);
CREATE INDEX ix_watch_next_at ON watch (next_at);
CREATE INDEX ix_watch_poll_watch ON watch_poll (watch);
CREATE INDEX notify_event_message ON notify_event (message_id);
CREATE INDEX notify_event_subject ON notify_event (channel, kind, subject);
CREATE INDEX notify_message_due ON notify_message (state, next_at);
CREATE INDEX schedule_target_due ON schedule_target (next_at);
CREATE UNIQUE INDEX schedule_target_key ON schedule_target (schedule_id, "key");
CREATE INDEX ix_schedule_pause_schedule_id ON schedule_pause (schedule_id);
CREATE INDEX schedule_visit_check ON schedule_visit (check_at);
CREATE INDEX schedule_visit_of ON schedule_visit (schedule_id, at);
CREATE INDEX schedule_visit_state ON schedule_visit (state);
CREATE INDEX schedule_gap_of ON schedule_gap (schedule_id, since);
CREATE INDEX schedule_gap_owed ON schedule_gap (stored, noted_at);
CREATE INDEX ix_schedule_gap_gap_id ON schedule_gap (gap_id);
COMMIT;
