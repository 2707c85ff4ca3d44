"""
Keep the tasks of the console in the database of the queue, and do them in child processes of a
worker.

The process that serves pages writes and reads rows (`task_table`, `database_tasks`) and holds no
key. A worker takes tasks in two lanes (`task_lane`). Each lane has a task process of its own
(`task_process`), which starts with the first task and holds the keys (docs/adr/0100).
"""
