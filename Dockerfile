# A server of Clew: docker build -t clew . && docker run -p 8080:8080 -e CLEW_TOKEN=… -v clew:/data clew
# Nothing in it depends on the processor: docker buildx build --platform linux/amd64,linux/arm64 .

FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/clew && /opt/clew/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY reducers reducers
COPY engine engine
COPY store store
COPY dispatch dispatch
COPY watcher watcher
COPY api api
COPY migrations migrations
RUN /opt/clew/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home clew && install -d -o clew /data
COPY --from=build /opt/clew /opt/clew
ENV PATH=/opt/clew/bin:$PATH PYTHONUNBUFFERED=1 CLEW_HOST=0.0.0.0 CLEW_PORT=8080 CLEW_DB=sqlite:////data/clew.db
USER clew
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/health', timeout=2)"]
ENTRYPOINT ["clew"]
CMD ["serve"]
