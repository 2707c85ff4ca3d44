"""
Run workers: processes that take jobs from the queue and capture the pages in child processes.

`worker` is the worker with its threads. `capture_pool` has its capture processes,
`capture_process` starts one, and `capture_process_main` is the code that runs in it; `messages`
defines what the two sides send each other. `registry` records which workers are alive, `clean_up`
cleans up after those that are gone, and `store_binding` makes all workers use one store.
`context` holds what the parts of a worker share; `job_runner` is what `app` implements.
"""
