# Keepline as one image: the product in a virtual environment made by the same script as `make`.
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY scripts ./scripts
COPY ingest ./ingest
COPY storage ./storage
RUN scripts/setup --into /opt/keepline --extras fast --copy

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/keepline --shell /usr/sbin/nologin keepline \
    && install --directory --owner keepline --group keepline --mode 0700 /var/lib/keepline
COPY --from=build /opt/keepline /opt/keepline
ENV PATH=/opt/keepline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    KEEPLINE_DATA_DIR=/var/lib/keepline
USER keepline
WORKDIR /var/lib/keepline
VOLUME /var/lib/keepline
# 8080: the public door, for providers. 8081: the inner door, for people; publish it to loopback.
EXPOSE 8080 8081
# What a stop may take: open requests are answered, the batch at hand is recorded.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["keepline", "check", "--health"]
CMD ["keepline", "serve"]
