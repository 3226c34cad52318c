# The service, without PyTorch: a bundle in, REST and the page out. See docs/deploy.md.
#
#   docker build -t moodfuse .
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 -v $PWD/runs/concat/bundle:/bundle:ro moodfuse
FROM python:3.11-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE NOTICE constraints.txt ./
COPY src ./src
RUN python -m venv /opt/moodfuse
RUN /opt/moodfuse/bin/pip install --no-cache-dir --constraint constraints.txt ".[serve]"

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin moodfuse
COPY --from=build /opt/moodfuse /opt/moodfuse
ENV PATH=/opt/moodfuse/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
VOLUME ["/bundle"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# Published on the host's own loopback by the line above; behind a name, put --allow-host NAME and --keys FILE in place
# of --allow-anyone.
ENTRYPOINT ["moodfuse", "serve"]
CMD ["/bundle", "--host", "0.0.0.0", "--port", "8000", "--allow-anyone"]
