# Directives of redis.conf: cache eviction, TCP settings, and a log of commands that take more than 10,000 microseconds.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "tuned" {
  name             = "tuned"
  namespace        = "redis"
  create_namespace = true

  additional_config = {
    "maxmemory-policy"        = "allkeys-lru"
    "tcp-keepalive"           = "300"
    "timeout"                 = "0"
    "tcp-backlog"             = "511"
    "slowlog-log-slower-than" = "10000"
    "slowlog-max-len"         = "128"
  }
}

output "url" {
  value = redis_k8s_instance.tuned.url
}
