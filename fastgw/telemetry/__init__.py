"""Clock, tasks, logs and metrics: the parts that touch the running process and decide nothing."""
