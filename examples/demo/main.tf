terraform {
  required_providers {
    redis = { source = "redis-k8s/redis" }
  }
}
resource "redis_k8s_instance" "cache" {
  name             = "cache"
  namespace        = "redis-demo"
  create_namespace = true
  persistence      = { size = "64Mi" }
  master           = { resources = { requests = { cpu = "10m", memory = "32Mi" }, limits = { cpu = "200m", memory = "64Mi" } } }
}
