package org.lexvla.lexical;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.lexvla.kernels.global.kernels;
import org.lexvla.lexical.LexicalBatch.Hit;

/**
 * An inverted index of the rows of a batch, in memory: for every word the rows that have it. Finds the k best rows for a
 * query without reading the others, and finds the same: hits and scores are those of sums in double over every row, rounded
 * once, whatever the impacts.
 *
 * <pre>{@code
 * try (InvertedIndex index = InvertedIndex.of(pictures, InvertedIndex.Impacts.EIGHT_BIT, allocator)) {
 *     List<List<LexicalBatch.Hit>> hits = index.search(texts, 10).hits();
 * }
 * }</pre>
 *
 * <p>With 8-bit impacts it takes 2 to 3 bytes for each entry of the batch, beside the batch itself, whose memory it shares
 * and holds until it is closed. It does not change, may be searched by several threads at once, and throws {@link
 * IllegalStateException} when closed.
 */
public final class InvertedIndex implements AutoCloseable {
    /** How the index keeps weights. */
    public enum Impacts {
        /** 8 bits: smaller and faster. */
        EIGHT_BIT(kernels.LEXVLA_IMPACTS_8BIT),
        /** Floats. */
        FLOAT32(kernels.LEXVLA_IMPACTS_FLOAT32);

        private final int code;

        Impacts(int code) {
            this.code = code;
        }
    }

    /**
     * What a search did.
     *
     * @param postings entries that the queries' words have in the blocks of rows that were read
     * @param bytes    of the index that were read for them
     * @param rows     whose products were computed in full
     * @param skipped  blocks of rows that could hold no hit, counted once per query
     */
    public record Work(long postings, long bytes, long rows, long skipped) {}

    /**
     * What a search found.
     *
     * @param hits for each query its hits, best first
     */
    public record Found(List<List<Hit>> hits, Work work) {}

    /** Bytes of a file that are read or written at once. */
    private static final int PIECE = 1 << 26;

    private final LexicalBatch vectors;
    private final BufferAllocator allocator;
    private final ArrowBuf memory;
    private final long bytes;
    private final Occupancy occupancy;

    private InvertedIndex(LexicalBatch vectors, BufferAllocator allocator, ArrowBuf memory, long bytes) {
        this.vectors = vectors;
        this.allocator = allocator;
        this.memory = memory;
        this.bytes = bytes;
        this.occupancy = new Occupancy("this InvertedIndex is closed: search it inside its try block", this::giveBack);
    }

    /**
     * Indexes the rows of a batch.
     *
     * @param vectors   may be closed before the index
     * @param allocator of the index; closed by the caller after it
     * @throws IllegalArgumentException if a weight is negative or not finite, or the vocabulary has more than 2^22 words
     */
    public static InvertedIndex of(LexicalBatch vectors, Impacts impacts, BufferAllocator allocator) {
        LexicalBatch own = vectors.slice(0, vectors.size());
        ArrowBuf memory = null;
        try {
            int words = own.vocabulary().size();
            long bytes = own.size() == 0
                    ? 0
                    : own.use(column -> SparseKernels.indexSize(WordColumn.csr(column), words, impacts.code));
            memory = allocator.buffer(bytes);
            long address = memory.memoryAddress();
            if (bytes > 0) {
                own.use(column -> {
                    SparseKernels.indexBuild(WordColumn.csr(column), words, impacts.code, bytes, address);
                    return null;
                });
            }
            return new InvertedIndex(own, allocator, memory, bytes);
        } catch (RuntimeException | Error e) {
            if (memory != null) {
                memory.close();
            }
            own.close();
            throw e;
        }
    }

    /**
     * Reads what {@link #write} wrote, after a check of all that searches rely on.
     *
     * @param vectors   those that the index was made of; may be closed before the index
     * @param allocator of the index; closed by the caller after it
     * @throws IOException if the file is missing or damaged, of another version or byte order, or of other vectors
     */
    public static InvertedIndex read(Path file, LexicalBatch vectors, BufferAllocator allocator) throws IOException {
        LexicalBatch own = vectors.slice(0, vectors.size());
        ArrowBuf memory = null;
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long bytes = channel.size();
            memory = allocator.buffer(bytes);
            for (long at = 0; at < bytes; ) {
                int read = channel.read(piece(memory, at, bytes));
                if (read < 0) {
                    throw new IOException(file + " ended after " + at + " of " + bytes + " bytes: read it again");
                }
                at += read;
            }
            long address = memory.memoryAddress();
            own.use(column -> {
                if (column.getValueCount() > 0 || bytes > 0) {
                    SparseKernels.indexCheck(
                            address,
                            bytes,
                            WordColumn.csr(column),
                            own.vocabulary().size());
                }
                return null;
            });
            return new InvertedIndex(own, allocator, memory, bytes);
        } catch (IOException | RuntimeException | Error e) {
            if (memory != null) {
                memory.close();
            }
            own.close();
            if (e instanceof NoSuchFileException) {
                throw new IOException("no inverted index at " + file, e);
            }
            if (e instanceof IllegalArgumentException) {
                throw new IOException(file + " is no inverted index of these vectors: " + e.getMessage(), e);
            }
            throw e;
        }
    }

    /**
     * Writes a file that {@link #read} reads, on machines of the same byte order; the vectors are not in it. Written beside
     * the file first, then renamed over it.
     *
     * @throws IOException if the file cannot be written
     */
    public void write(Path file) throws IOException {
        occupancy.enter();
        try (ReplacedFile target = ReplacedFile.of(file);
                FileChannel channel =
                        FileChannel.open(target.temporary(), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            for (long at = 0; at < bytes; ) {
                at += channel.write(piece(memory, at, bytes));
            }
            channel.force(true);
            target.commit();
        } finally {
            occupancy.leave();
        }
    }

    /** The memory from {@code at} on, as far as a byte buffer goes. */
    private static ByteBuffer piece(ArrowBuf memory, long at, long bytes) {
        return memory.nioBuffer(at, (int) Math.min(bytes - at, PIECE));
    }

    /** Bytes that the index takes beside the batch. */
    public long bytes() {
        return bytes;
    }

    /**
     * The k rows with the largest dot product with a query, best first; equal ones by row. Rows that share no word with it
     * are no hits, so there may be fewer than k.
     *
     * @param k 0 or more
     * @throws IllegalArgumentException if the query has another vocabulary, or a weight that is negative or not finite
     */
    public List<Hit> search(LexicalVector query, int k) {
        return search(List.of(query), k).hits().get(0);
    }

    /** As {@link #search(LexicalBatch, int)}. */
    public Found search(List<LexicalVector> queries, int k) {
        return occupancy.use(() -> {
            try (LexicalBatch batch = LexicalBatch.of(queries, vectors.vocabulary(), allocator)) {
                return search(batch, k);
            }
        });
    }

    /**
     * As {@link #search(LexicalVector, int)} for every row of a batch; what several queries need is read from memory once.
     *
     * @throws IllegalArgumentException if the queries have another vocabulary, or a weight that is negative or not finite
     */
    public Found search(LexicalBatch queries, int k) {
        vectors.vocabulary().requireSame(queries.vocabulary(), "the queries");
        if (k < 0) {
            throw new IllegalArgumentException("k is " + k + ", must be at least 0");
        }
        return occupancy.use(() -> queries.use(asked -> vectors.use(column -> {
            int count = asked.getValueCount();
            int wanted = Math.min(k, column.getValueCount());
            if (count == 0 || wanted == 0) {
                return new Found(Collections.nCopies(count, List.of()), new Work(0, 0, 0, 0));
            }
            try (ArrowBuf rows = allocator.buffer((long) count * wanted * Integer.BYTES);
                    ArrowBuf scores = allocator.buffer((long) count * wanted * Float.BYTES);
                    ArrowBuf hits = allocator.buffer((long) count * Long.BYTES)) {
                Work work = SparseKernels.indexSearch(
                        memory.memoryAddress(),
                        bytes,
                        WordColumn.csr(column),
                        vectors.vocabulary().size(),
                        WordColumn.csr(asked),
                        wanted,
                        rows.memoryAddress(),
                        scores.memoryAddress(),
                        hits.memoryAddress());
                List<List<Hit>> found = new ArrayList<>(count);
                for (int query = 0; query < count; query++) {
                    int size = (int) hits.getLong((long) query * Long.BYTES);
                    List<Hit> best = new ArrayList<>(size);
                    for (long at = (long) query * wanted; at < (long) query * wanted + size; at++) {
                        best.add(new Hit(rows.getInt(at * Integer.BYTES), scores.getFloat(at * Float.BYTES)));
                    }
                    found.add(List.copyOf(best));
                }
                return new Found(List.copyOf(found), work);
            }
        })));
    }

    /** Gives the memory back, as soon as no search uses it. Closing again does nothing. */
    @Override
    public void close() {
        occupancy.close();
    }

    private void giveBack() {
        memory.close();
        vectors.close();
    }
}
